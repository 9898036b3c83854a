// Package testsize tells tests how large to be.
//
// By default the tests of all packages take a minute or two, so that they are run while one works: what is random is
// tried a few times, a crash is provoked now and then, and a large folder has some hundred items. With
// STACKSYNC_TEST_FULL=1 in the environment, which .ci/run sets, the same tests run at full size: thousands of random
// steps, every point of a crash, folders of 100,000 items, and measurements of time and memory.
//
// A test has one body for both sizes, and takes its numbers from [Of]. Nothing is left out of the default run but what
// has no small instance (a measurement), and that says so when it is skipped ([NeedsFull]).
package testsize
