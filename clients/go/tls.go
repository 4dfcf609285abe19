package learning

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"google.golang.org/grpc/credentials"
)

// tlsFiles are the PEM files that secure a connection; empty names are not used.
type tlsFiles struct {
	authority, certificate, key string
}

var errNoCertificate = errors.New("there is no certificate in it")

// credentials reads the files once, so that a mistake shows at once and not as a sidecar that is never there.
func (f tlsFiles) credentials() (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.authority != "" {
		authorities, err := readAuthorities(f.authority)
		if err != nil {
			return nil, &UsageError{What: "the authority", Problem: "cannot be read: " + err.Error(), Cause: err}
		}
		config.RootCAs = authorities
	}
	if f.certificate != "" || f.key != "" {
		if _, err := f.read(nil); err != nil {
			return nil, &UsageError{What: "the client certificate", Problem: "cannot be read: " + err.Error(), Cause: err}
		}
		config.GetClientCertificate = f.read
	}
	return credentials.NewTLS(config), nil
}

// read gives the certificate as the files now have it, for one handshake.
func (f tlsFiles) read(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	return &pair, err
}

func readAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, errNoCertificate
	}
	return authorities, nil
}
