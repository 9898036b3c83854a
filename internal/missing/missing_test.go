package missing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var broker = &Service{Name: "Broker", Detail: "no brokerd in the PATH", Install: "apt-get install broker, or make services"}

// verdict records how a test was ended.
type verdict struct {
	logged, skipped, failed string
}

func (*verdict) Helper()      {}
func (*verdict) Name() string { return "TestOf" + "Verdict" }

func (v *verdict) Skip(args ...any) {
	v.skipped = fmt.Sprint(args...)
	panic(v)
}

func (v *verdict) Logf(format string, args ...any) { v.logged = fmt.Sprintf(format, args...) }

func (v *verdict) Fatalf(format string, args ...any) {
	v.failed = fmt.Sprintf(format, args...)
	panic(v)
}

func judge(ask func(T)) verdict {
	v := &verdict{}
	func() {
		defer func() { _ = recover() }()
		ask(v)
	}()
	return *v
}

func required(err error) verdict { return judge(func(t T) { Require(t, err) }) }
func told(err error) verdict     { return judge(func(t T) { Tell(t, "Broker 1.2", err) }) }

func TestRequire(t *testing.T) {
	wrapped := fmt.Errorf("start: %w", broker)
	t.Setenv(EnvRequire, "")
	require.Equal(t, verdict{}, required(nil))
	require.Equal(t, verdict{skipped: "Broker was not found"}, required(wrapped))
	require.Equal(t, verdict{failed: "broken"}, required(errors.New("broken")), "what is installed has to work")
	t.Setenv(EnvRequire, "1")
	require.Equal(t, verdict{}, required(nil))
	require.Equal(t, verdict{failed: wrapped.Error()}, required(wrapped))
	require.Equal(t, "Broker was not found: no brokerd in the PATH; to get it: apt-get install broker, or make services", broker.Error())
}

func TestTell(t *testing.T) {
	for _, value := range []string{"", "1"} {
		t.Setenv(EnvRequire, value)
		require.Equal(t, verdict{logged: "service: Broker 1.2"}, told(nil))
		require.Equal(t, verdict{failed: "broken"}, told(errors.New("broken")))
	}
	require.Equal(t, verdict{failed: broker.Error()}, told(broker))
	t.Setenv(EnvRequire, "")
	require.Equal(t, verdict{skipped: "service: " + broker.Error()}, told(broker))
}

func TestHidden(t *testing.T) {
	t.Setenv(EnvHide, "")
	require.NoError(t, Hidden("Broker", "apt-get install broker"))
	t.Setenv(EnvHide, "1")
	var s *Service
	require.ErrorAs(t, Hidden("Broker", "apt-get install broker"), &s)
	require.Equal(t, Service{Name: "Broker", Detail: EnvHide + " is set", Install: "apt-get install broker"}, *s)
}

func TestReport(t *testing.T) {
	t.Parallel()
	var s tests
	var out strings.Builder
	s.report(&out)
	require.Empty(t, out.String(), "nothing is missing")
	s.add(broker, "TestA")
	s.add(broker, "TestA")
	s.add(broker, "TestA/sub")
	s.add(&Service{Name: "Archive", Install: "get the archive"}, "TestB")
	s.report(&out)
	require.Equal(t, "service: Archive was not found, 1 test is skipped; to get it: get the archive\n"+
		"service: Broker was not found, 2 tests are skipped; to get it: apt-get install broker, or make services\n", out.String())
}

// The t of another test is seen where the server is there, too. What ends here is the wrong test, so only otherTest
// is asked.
func TestOtherTest(t *testing.T) {
	t.Parallel()
	require.Empty(t, otherTest(t))
	t.Cleanup(func() { require.Empty(t, otherTest(t)) })
	t.Run("sub", func(sub *testing.T) {
		require.Empty(sub, otherTest(sub))
		require.NotEmpty(sub, otherTest(t), "the t of the test around")
		sub.Run("parallel", func(below *testing.T) {
			below.Parallel()
			require.Empty(below, otherTest(below))
			require.NotEmpty(below, otherTest(sub))
			require.NotEmpty(below, otherTest(t))
		})
	})
	require.Empty(t, otherTest(t))
	require.Empty(t, otherTest(&verdict{}), "it has no t of the testing package")
	none := make(chan string)
	go func() { none <- otherTest(t) }()
	require.Empty(t, <-none, "a goroutine of no test")
	b := testing.Benchmark(func(b *testing.B) {
		require.Empty(b, otherTest(b))
		require.NotEmpty(b, otherTest(t))
	})
	require.Positive(t, b.N)
}
