// Package jobs is the work of a node that takes time: training, fetching, reducing, measuring, and the removal of what
// nobody needs. The machine asks for it, and each job ends as an event in the machine's queue.
//
// [Jobs.Start] begins a job, on the loop; nothing else needs the loop. Of the node this package knows the [Host]
// alone. Within, artifacts gets what is needed into the store, whole; the desk gives tasks to the trainer, one at a
// time; states are the folders that the trainer keeps things in; answers are the runs that wait for the site's word.
package jobs
