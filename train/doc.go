// Package train is a site's local training: the one seam between the node and
// whatever moves the weights.
//
// A [Trainer] gets a [Task] (a base model as a safetensors file, and what to do
// with it) and yields a [Result] (an update as a safetensors file, the number of
// samples it saw, metrics). Four trainers implement it: [Exec] runs the user's own
// process, train/builtin is a small transformer in pure Go, and [Synthetic] only takes
// time and bytes, for benchmarks and tests of the mesh.
//
// # The user's process
//
// Exec starts a command of the site's own configuration and speaks with it over
// HTTP and JSON on a Unix socket, whose path the process finds in the variable
// WEFT_SOCKET. Weights never pass through the socket: a task names the file of
// its base, an update names a file that the process wrote into the task's folder.
// [Attach] speaks in the same way with a process that somebody else has started, and that comes to it.
// The process asks, the node answers:
//
//	GET  /v1/task?wait=30   the next task, kind "stop" at the end, 204 if none came in 30 s
//	GET  /v1/task/{id}      whether the task in hand is still wanted
//	POST /v1/progress       where the task in hand stands
//	POST /v1/update         what the process made of the task: it is then put down
//	POST /v1/text           what the model generated, for a task that asks for text: it is then put down
//	POST /v1/skip           that there is nothing to give for the task: it is then put down
//
// A task is in hand from the reply that gave it out until it is put down: by an
// accepted update, or by asking for the next one. What is said of a task that is
// over (answered, cancelled, of an earlier life of the process) is refused with
// status 409. docs/trainers.md has every message, byte for byte.
//
// The process lives as long as it likes within a run: one that asks for task after task
// is kept, because a framework is slow to start; one that ends after a task, or dies
// between two, is started again for the next. A task of another run goes to a new
// process, and an idle one is told to stop before. When it ends with a task in hand the
// task fails, with the exit status and the last lines of its standard error.
package train
