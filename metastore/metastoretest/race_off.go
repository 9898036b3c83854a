//go:build !race

package metastoretest

const (
	manyRows = promisedRows
	slowdown = 1
)
