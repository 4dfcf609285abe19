// Package learning is the Go client of Learning Sidecar: ask which arm to use (a model, a prompt, a retrieval
// setting), act, report what happened.
//
//	client, err := learning.New() // 127.0.0.1:50051, or what LEARNING_ADDRESS says: host:port or unix:/path
//
//	func handle(ctx context.Context, question string) (answer string, err error) {
//		d, err := client.Decide(ctx, "route", []string{"small", "large"}, learning.Context{"tokens": 812})
//		if err != nil {
//			return "", err // a mistake in the program, never the sidecar
//		}
//		defer d.End(&err) // times the act and reports its reward
//		answer, err = ask(ctx, d.Arm, question)
//		d.Observe(learning.Signals{learning.Quality: grade(answer)})
//		return answer, err
//	}
//
// The sidecar is never in the app's way: each call to it takes at most the client's time-out, and when it is missing,
// late or failing, the first candidate is used. Only mistakes in the program are errors: see [UsageError].
//
// [Client.Decide] asks, times the act and reports at its end; [Learn] does all that in one call. [Client.Recommend],
// [Client.Reward] and [Client.Release] are the three calls by themselves. Package learningtest has a fake for the
// tests of an app.
package learning

//go:generate buf generate ../../proto
