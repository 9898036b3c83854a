//go:build race

package metastoretest

// SQLite is Go code here, and runs 15 to 20 times slower under the race detector: 10,000 rows of a kind in one call took 45 s instead
// of 2.6 s, nearly all of it in the detector and in its checks of each pointer, and checks of that size took most of the suite's time. Races
// show with fewer rows. A run without the detector tests all that is promised.
const (
	mostRows = promisedRows / 4
	slowdown = 4
)
