// Package story is what the examples tell their stories with: trees of files that are compared, and lines for people to read.
//
// It knows folders and writers, and nothing of the library: what an example shows of that stands in the example.
package story
