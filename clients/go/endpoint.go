package learning

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Only calls that are idempotent by their decision id are listed, and only a lost connection is tried again: the
// client's deadline ends the attempts anyway. The throttle stops them after two failures in a row, so that while nobody
// listens a call fails at once instead of after a second attempt.
const serviceConfig = `{
	"methodConfig": [{
		"name": [
			{"service": "learning.v1.Learning", "method": "Recommend"},
			{"service": "learning.v1.Learning", "method": "Reward"},
			{"service": "learning.v1.Learning", "method": "Release"}
		],
		"retryPolicy": {
			"maxAttempts": 2,
			"initialBackoff": "0.005s",
			"maxBackoff": "0.02s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}],
	"retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5}
}`

// While a connection cannot be made, calls fail at once; how soon a sidecar that came back is found is up to these: at
// most a second, jitter included. The last one is how long one attempt may hang.
var reconnect = grpc.ConnectParams{
	Backoff: backoff.Config{
		BaseDelay:  50 * time.Millisecond,
		Multiplier: 1.6,
		Jitter:     0.2,
		MaxDelay:   800 * time.Millisecond,
	},
	MinConnectTimeout: time.Second,
}

// Finds a peer that vanished without closing its connection: the time-out also bounds how long the kernel retransmits.
// Not without calls in flight, because servers hang up on those who ping an idle connection.
var pings = keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}

// connect gives the connection to the sidecar, and what closes it. Nothing is dialled before the first call.
func (c *configuration) connect() (grpc.ClientConnInterface, func() error, error) {
	if c.conn != nil {
		return c.conn, func() error { return nil }, nil // to close it is up to the app
	}
	security, err := c.security()
	if err != nil {
		return nil, nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // none from DNS: it would cost a look-up, and replace ours
		grpc.WithConnectParams(reconnect),
		grpc.WithKeepaliveParams(pings),
		grpc.WithNoProxy(), // a sidecar is next door; HTTP_PROXY is meant for the world outside
	}
	conn, err := grpc.NewClient(c.address, append(options, c.dialOptions...)...)
	if err != nil {
		return nil, nil, &UsageError{What: "the address or a dial option", Problem: "is not allowed: " + err.Error(), Cause: err}
	}
	return conn, conn.Close, nil
}

func (c *configuration) security() (credentials.TransportCredentials, error) {
	switch {
	case c.credentials != nil:
		return c.credentials, nil
	case c.tls != nil:
		return c.tls.credentials()
	}
	return insecure.NewCredentials(), nil
}
