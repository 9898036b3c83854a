//go:build !race

package metastoretest

const (
	mostRows = promisedRows
	slowdown = 1
)
