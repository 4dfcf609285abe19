package learning

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

const (
	addressVariable = "LEARNING_ADDRESS"
	addressDefault  = "127.0.0.1:50051"
	timeoutDefault  = 50 * time.Millisecond
)

// An Option configures a client; see [New].
type Option func(*configuration) error

type configuration struct {
	address           string
	timeout           time.Duration
	tenant, workspace string
	tls               *tlsFiles
	credentials       credentials.TransportCredentials
	headers           metadata.MD
	dialOptions       []grpc.DialOption
	conn              grpc.ClientConnInterface
	logger            *slog.Logger
}

func configure(options []Option) (*configuration, error) {
	c := &configuration{
		address:   addressDefault,
		timeout:   timeoutDefault,
		tenant:    "default",
		workspace: "main",
		headers:   metadata.MD{},
	}
	if address, set := os.LookupEnv(addressVariable); set {
		c.address = address
	}
	for _, option := range options {
		if err := option(c); err != nil {
			return nil, err
		}
	}
	if c.address == "" {
		return nil, misused("the address", "is empty; give host:port or unix:/path, or set %s", addressVariable)
	}
	return c, nil
}

// WithAddress says where the sidecar is: host:port or unix:/path. Without it: what the environment variable
// LEARNING_ADDRESS says, and without that 127.0.0.1:50051.
func WithAddress(address string) Option {
	return func(c *configuration) error {
		c.address = address
		return nil
	}
}

// WithTimeout says how long any one call to the sidecar may take; 50 ms without it.
func WithTimeout(timeout time.Duration) Option {
	return func(c *configuration) error {
		if timeout <= 0 {
			return misused("the time-out", "must be above 0, got %s", timeout)
		}
		c.timeout = timeout
		return nil
	}
}

// WithTenant says who asks; 1 to 128 printable characters, "default" without it.
func WithTenant(tenant string) Option {
	return func(c *configuration) error {
		c.tenant = tenant
		return checkName("the tenant", tenant)
	}
}

// WithWorkspace says which deployment asks, the unit of sharing, budget and snapshot; "main" without it.
func WithWorkspace(workspace string) Option {
	return func(c *configuration) error {
		c.workspace = workspace
		return checkName("the workspace", workspace)
	}
}

// WithTLS encrypts, and trusts servers with a certificate of the authority in this PEM file; an empty name stands for
// the authorities of the system.
func WithTLS(authorityFile string) Option {
	return func(c *configuration) error {
		c.tlsFiles().authority = authorityFile
		return nil
	}
}

// WithClientCertificate encrypts too, and shows this certificate to a server that asks for one (mTLS); both are PEM files. They are read
// again for every connection, so that a renewed certificate is used without a restart.
func WithClientCertificate(certificateFile, keyFile string) Option {
	return func(c *configuration) error {
		files := c.tlsFiles()
		files.certificate, files.key = certificateFile, keyFile
		return nil
	}
}

func (c *configuration) tlsFiles() *tlsFiles {
	if c.tls == nil {
		c.tls = &tlsFiles{}
	}
	return c.tls
}

// WithCredentials secures the connection in any other way that gRPC knows; the files of TLS are then not used.
func WithCredentials(transport credentials.TransportCredentials) Option {
	return func(c *configuration) error {
		if transport == nil { // to go on would mean plain text
			return misused("the credentials", "are nil")
		}
		c.credentials = transport
		return nil
	}
}

// WithToken sends this bearer token with every call.
func WithToken(token string) Option {
	return func(c *configuration) error {
		if !isHeaderValue(token) {
			return misused("the token", "must have printable ASCII characters") // and stays a secret
		}
		return WithHeader("authorization", "Bearer "+token)(c)
	}
}

var headerName = regexp.MustCompile(`^[0-9a-z_.-]+$`)

// WithHeader sends one more header with every call.
func WithHeader(name, value string) Option {
	return func(c *configuration) error {
		lower := strings.ToLower(name)
		reserved := strings.HasPrefix(lower, "grpc-")
		binary := strings.HasSuffix(lower, "-bin")
		if !headerName.MatchString(lower) || reserved || (!binary && !isHeaderValue(value)) {
			return misused("the header", "%.200q, or its value, is none that gRPC can send", name)
		}
		c.headers.Append(lower, value)
		return nil
	}
}

func isHeaderValue(value string) bool {
	unfit := func(r rune) bool { return r < ' ' || r > '~' }
	return value != "" && !strings.ContainsFunc(value, unfit)
}

// WithLogger says where warnings go; each kind at most once a minute. Without it: [slog.Default].
func WithLogger(logger *slog.Logger) Option {
	return func(c *configuration) error {
		c.logger = logger
		return nil
	}
}

// WithDialOptions lays options of gRPC over the client's own, such as interceptors.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(c *configuration) error {
		c.dialOptions = append(c.dialOptions, options...)
		return nil
	}
}

// WithConn uses a connection that the app has made, or a stand-in for one, as package learningtest does. Address, TLS
// and dial options are then not used, and [Client.Close] leaves it open.
func WithConn(conn grpc.ClientConnInterface) Option {
	return func(c *configuration) error {
		c.conn = conn
		return nil
	}
}
