{{- /* Names and labels that the objects share. */ -}}

{{- define "learning-sidecar.name" -}}
{{- if eq .Release.Name "learning-sidecar" }}learning-sidecar-injector{{ else }}{{ printf "%s-learning-sidecar-injector" (trunc 37 .Release.Name) }}{{ end -}}
{{- end -}}

{{- define "learning-sidecar.selector" -}}
app.kubernetes.io/name: learning-sidecar-injector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "learning-sidecar.labels" -}}
{{ include "learning-sidecar.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "learning-sidecar.image" -}}
{{ .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}

{{- define "learning-sidecar.tls" -}}
{{ if eq .Values.certificate.mode "existing" }}{{ .Values.certificate.secretName }}{{ else }}{{ include "learning-sidecar.name" . }}-tls{{ end }}
{{- end -}}
