package learning_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	learning "github.com/learning-sidecar/learning-sidecar/clients/go"
)

func checkAnswered(t *testing.T, client *learning.Client) {
	t.Helper()
	if act := decide(t, client); act.Source != learning.SourceLearned {
		t.Errorf("expected an answer, got %+v", act.Decision)
	}
}

// The sidecar may listen on a unix socket.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sidecar.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, listener)

	checkAnswered(t, connect(t, "unix:"+path))
}

// Without an address the environment says where the sidecar is.
func TestAddressVariable(t *testing.T) {
	t.Setenv("LEARNING_ADDRESS", start(t).address)
	client, err := learning.New(learning.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	checkAnswered(t, client)
}

// A proxy for the world outside is not asked for a sidecar, wherever that is.
func TestNoProxy(t *testing.T) {
	proxy := closingAll(t)
	const variable = "LEARNING_TEST_OF_PROXY"
	if os.Getenv(variable) == "" {
		// Variables of proxies are read once a process, so this needs one of its own.
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxy$")
		again.Env = append(os.Environ(), variable+"="+proxy.address, "HTTPS_PROXY=http://"+proxy.address, "NO_PROXY=")
		if said, err := again.CombinedOutput(); err != nil || proxy.count.Load() != 0 {
			t.Errorf("%d connections to the proxy, %v\n%s", proxy.count.Load(), err, said)
		}
		return
	}
	elsewhere := "192.0.2.1:50051" // an address for documentation, where nobody is; loopback is never proxied
	checkFallback(t, decide(t, connect(t, elsewhere, learning.WithTimeout(200*time.Millisecond))).Decision)
}

// A server whose authority is trusted is talked to; others are as good as missing.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	config := ours.serverConfig(t, tls.NoClientCert)
	sidecar := start(t, grpc.Creds(credentials.NewTLS(config)))

	checkAnswered(t, connect(t, sidecar.address, learning.WithTLS(ours.file)))
	checkAnswered(t, connect(t, sidecar.address,
		learning.WithCredentials(credentials.NewTLS(&tls.Config{RootCAs: config.ClientCAs}))))
	checkFallback(t, decide(t, connect(t, sidecar.address, learning.WithTLS(theirs.file))).Decision)
	checkFallback(t, decide(t, connect(t, sidecar.address)).Decision)
}

// A server that asks who calls is shown a certificate.
func TestMutualTLS(t *testing.T) {
	authority := newAuthority(t)
	config := authority.serverConfig(t, tls.RequireAndVerifyClientCert)
	sidecar := start(t, grpc.Creds(credentials.NewTLS(config)))
	certificate, key := authority.issue(t, "app")

	checkAnswered(t, connect(t, sidecar.address,
		learning.WithTLS(authority.file), learning.WithClientCertificate(certificate, key)))
	checkFallback(t, decide(t, connect(t, sidecar.address, learning.WithTLS(authority.file))).Decision)
}

// Every call carries the token, the headers and the app's trace, and nothing that the app means for other servers.
func TestMetadata(t *testing.T) {
	before := otel.GetTextMapPropagator()
	defer otel.SetTextMapPropagator(before)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traced := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": traceparent})
	ctx := metadata.AppendToOutgoingContext(traced, "authorization", "Bearer of-another-server", "cookie", "secret")
	sidecar := start(t)
	client := connect(t, sidecar.address, learning.WithToken("ours"), learning.WithHeader("X-Pod", "p1"))

	act, err := client.Decide(ctx, "route", candidates)
	if err != nil {
		t.Fatal(err)
	}
	checkMetadata(t, sidecar.lastHeaders(), traceparent)
	act.End(nil)
	checkMetadata(t, sidecar.lastHeaders(), traceparent)
	if _, err := client.Recommend(context.Background(), "route", candidates); err != nil {
		t.Fatal(err)
	}
	if untraced := sidecar.lastHeaders().Get("traceparent"); len(untraced) != 0 {
		t.Errorf("the trace of another call was passed on: %v", untraced)
	}
}

func checkMetadata(t *testing.T, sent metadata.MD, traceparent string) {
	t.Helper()
	for name, expected := range map[string]string{
		"authorization": "Bearer ours",
		"x-pod":         "p1",
		"traceparent":   traceparent,
		"cookie":        "",
	} {
		if got := strings.Join(sent.Get(name), ","); got != expected {
			t.Errorf("%s: expected %q, got %q", name, expected, got)
		}
	}
}

// An app's interceptors see the calls.
func TestDialOptions(t *testing.T) {
	var seen string
	interceptor := func(
		ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		seen = method
		return invoke(ctx, method, request, reply, conn, options...)
	}
	options := learning.WithDialOptions(grpc.WithUnaryInterceptor(interceptor))

	checkAnswered(t, connect(t, start(t).address, options))
	if seen != "/learning.v1.Learning/Recommend" {
		t.Errorf("saw %q", seen)
	}
}

// A configuration that cannot work is an error at once; a token is in no error.
func TestWrongOptions(t *testing.T) {
	certificate, _ := newAuthority(t).issue(t, "app")
	cases := map[string]learning.Option{
		"empty address":     learning.WithAddress(""),
		"dial option":       learning.WithDialOptions(grpc.WithDefaultServiceConfig("{")),
		"no time":           learning.WithTimeout(0),
		"negative time":     learning.WithTimeout(-time.Second),
		"tenant":            learning.WithTenant(""),
		"workspace":         learning.WithWorkspace("a\tb"),
		"token":             learning.WithToken("se\ncret"),
		"empty token":       learning.WithToken(""),
		"header name":       learning.WithHeader("a b", "c"),
		"reserved header":   learning.WithHeader("grpc-timeout", "1S"),
		"header value":      learning.WithHeader("a", "é"),
		"no authority":      learning.WithTLS("/nowhere"),
		"strange authority": learning.WithTLS("LICENSE"),
		"half a pair":       learning.WithClientCertificate(certificate, ""),
	}
	for name, option := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := learning.New(option)
			var misused *learning.UsageError
			if !errors.As(err, &misused) || strings.Contains(err.Error(), "cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}
