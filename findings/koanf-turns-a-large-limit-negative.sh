#!/usr/bin/env bash
# A limit of 3,000,000,000 in the configuration becomes -1,294,967,296 in the program, without an error.
#
# Expected: a number that does not fit its field is an error; both TOML libraries, used alone, say so. Instead: koanf
# decodes through a map with weak typing: an integer that is too large wraps, -1 becomes 4,294,967,295, 5.7 is cut to
# 5, and `true` is the text "1".
# Versions: github.com/knadh/koanf/v2 v2.4.1 with parsers/toml/v2 v2.1.0, github.com/pelletier/go-toml/v2 v2.4.3,
# github.com/BurntSushi/toml v1.6.0.
# For a host: a quota or a size limit that wraps locks everybody out, or lets everything in. Give UnmarshalWithConf a
# DecoderConfig that is not weak, and check limits after loading.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod
go mod init finding
go get github.com/knadh/koanf/v2@v2.4.1 github.com/knadh/koanf/parsers/toml/v2@v2.1.0 \
	github.com/knadh/koanf/providers/rawbytes@v1.0.0 github.com/pelletier/go-toml/v2@v2.4.3 github.com/BurntSushi/toml@v1.6.0
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"

	burntsushi "github.com/BurntSushi/toml"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	pelletier "github.com/pelletier/go-toml/v2"
)

type Config struct {
	MaxSize int32
	Devices uint32
	Days    int64
	Name    string
}

func main() {
	for _, text := range []string{"maxsize = 3000000000", "devices = -1", "days = 5.7", "name = true"} {
		fmt.Println(text)
		var c Config
		k := koanf.New(".")
		if err := k.Load(rawbytes.Provider([]byte(text)), toml.Parser()); err != nil {
			log.Fatal(err)
		}
		err := k.Unmarshal("", &c)
		fmt.Printf("  koanf: %+v %v\n", c, err)
		fmt.Println("  pelletier:", pelletier.Unmarshal([]byte(text), &Config{}))
		fmt.Println("  BurntSushi:", burntsushi.Unmarshal([]byte(text), &Config{}))
	}
}
EOF
out=$(go run .)
printf '%s\n' "$out"
diff <(printf '%s\n' "$out") - <<'SEEN'
maxsize = 3000000000
  koanf: {MaxSize:-1294967296 Devices:0 Days:0 Name:} <nil>
  pelletier: toml: integer value 3000000000 cannot be stored in int32
  BurntSushi: toml: line 1 (last key "maxsize"): 3000000000 is out of range for int32
devices = -1
  koanf: {MaxSize:0 Devices:4294967295 Days:0 Name:} <nil>
  pelletier: toml: negative integer value -1 cannot be stored in uint32
  BurntSushi: toml: line 1 (last key "devices"): -1 is out of range for uint32
days = 5.7
  koanf: {MaxSize:0 Devices:0 Days:5 Name:} <nil>
  pelletier: toml: cannot decode TOML float into struct field main.Config.Days of type int64
  BurntSushi: toml: line 1 (last key "days"): incompatible types: TOML value has type float64; destination has type integer
name = true
  koanf: {MaxSize:0 Devices:0 Days:0 Name:1} <nil>
  pelletier: toml: cannot decode TOML boolean into struct field main.Config.Name of type string
  BurntSushi: toml: line 1 (last key "name"): incompatible types: TOML value has type bool; destination has type string
SEEN
