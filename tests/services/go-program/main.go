// Counts words with Beam's Go SDK, as any program of a user would; the runner and its endpoint come from the command line.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"regexp"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
)

var (
	input  = flag.String("input", "", "file to count the words of")
	output = flag.String("output", "", "file for the counts")
	word   = regexp.MustCompile(`[A-Za-z']+`)
	words  = beam.NewCounter("wordcount", "words")
)

func extract(ctx context.Context, line string, emit func(string)) {
	for _, found := range word.FindAllString(line, -1) {
		words.Inc(ctx, 1)
		emit(strings.ToLower(found))
	}
}

func format(word string, count int) string {
	return fmt.Sprintf("%s: %d", word, count)
}

func init() {
	register.Function3x0(extract)
	register.Function2x1(format)
	register.Emitter1[string]()
}

func main() {
	flag.Parse()
	beam.Init()
	pipeline, scope := beam.NewPipelineWithRoot()
	lines := textio.Read(scope, *input)
	counted := stats.Count(scope, beam.ParDo(scope, extract, lines))
	textio.Write(scope, *output, beam.ParDo(scope, format, counted))
	if err := beamx.Run(context.Background(), pipeline); err != nil {
		log.Fatalf("the job failed: %v", err)
	}
}
