package learning

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// errAnswerMissed marks a call that the sidecar may have carried out, though its answer came too late.
var errAnswerMissed = errors.New("no answer in time")

// send makes one call, for at most the client's time-out, and passes the app's trace on.
func send[Request, Answer any](
	ctx context.Context,
	client *Client,
	call func(context.Context, Request, ...grpc.CallOption) (Answer, error),
	request Request,
) (Answer, error) {
	timed, cancel := context.WithTimeout(ctx, client.timeout)
	defer cancel()
	answer, err := call(metadata.NewOutgoingContext(timed, client.outgoing(ctx)), request)
	// Whoever cancels the app's context does not wait for the answer. A client that was closed says Canceled too, but
	// has sent nothing.
	if status.Code(err) == codes.DeadlineExceeded || (err != nil && ctx.Err() != nil) {
		err = fmt.Errorf("%w: %w", errAnswerMissed, err)
	}
	return answer, err
}

// outgoing gives the metadata of a call. What the app's context would send along is left out: it is meant for other
// servers, and may be a secret between them and the app.
func (c *Client) outgoing(ctx context.Context) metadata.MD {
	headers := c.headers.Copy()
	otel.GetTextMapPropagator().Inject(ctx, carrier(headers))
	return headers
}

// carrier is metadata as propagators of OpenTelemetry see it.
type carrier metadata.MD

// Get returns the first value of a key.
func (c carrier) Get(key string) string {
	values := metadata.MD(c).Get(key)
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// Set replaces the values of a key.
func (c carrier) Set(key, value string) {
	metadata.MD(c).Set(key, value)
}

// Keys lists what there is.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}
