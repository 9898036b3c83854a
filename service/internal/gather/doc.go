// Package gather runs requests that come while others run as one batch.
//
// It owns queues, batches and their stages. It must not know what a request asks, nor what a store
// is: callers hand in the function that runs a batch. It must not import the root package.
package gather
