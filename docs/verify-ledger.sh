#!/bin/sh
# Verify an exported ledger with sha256sum, openssl (3 or newer) and the tools every POSIX system has.
# Nothing of the workbench is needed. docs/verify-a-ledger.md says what each step shows.
#
#   sh verify-ledger.sh [FOLDER]              check everything
#   sh verify-ledger.sh --entry N [FOLDER]    check that entry N is under the newest checkpoint, and print it
#
# Ends with 0 if all is sound, with 1 and a line that begins "NOT SOUND" if not, with 2 if it could not be checked.
# It writes many small files into TMPDIR: with TMPDIR=/dev/shm, in memory, it takes a tenth of the time.
set -eu
LC_ALL=C
export LC_ALL

only=
if [ "${1:-}" = --entry ]; then
  only=${2:?give the number of an entry}
  shift 2
fi
cd "${1:-$(dirname "$0")}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
  echo "NOT SOUND: $1" >&2
  exit 1
}

# The text of an awk function: 64 hexadecimal digits as 32 escapes that printf turns into bytes.
ESC='function esc(hex,  i, out) {
  if (!ready) { for (i = 0; i < 256; i++) octal[sprintf("%02x", i)] = sprintf("\\%03o", i); ready = 1 }
  for (i = 1; i < 65; i += 2) out = out octal[substr(hex, i, 2)]
  return out
}'

# Read lines of escapes; print the SHA-256 of the bytes that each stands for, in order. printf writes each into a file of
# its own, and one sha256sum takes many files. No line holds a quote, so none can become a command.
hash_all() {
  rm -rf "$work/in"
  mkdir "$work/in"
  awk '{ printf "printf '\''%s'\'' >%d\n", $0, 100000000 + NR }' >"$work/write"
  if [ -s "$work/write" ]; then
    (cd "$work/in" && sh -e ../write) || { echo "cannot write to $work: set TMPDIR to a folder with room" >&2; exit 2; }
    (cd "$work/in" && ls | xargs sha256sum) | cut -c 1-64
  fi
}

# Read entries; print the leaf hash of each: SHA-256 of a zero byte and the entry.
hash_leaves() {
  awk '{ gsub(/[\\]/, "\\134"); gsub(/%/, "\\045"); gsub(/'\''/, "\\047"); print "\\000" $0 }' | hash_all
}

# Set "key" to the file of the key in force at a size: the last whose name, its first size, is not above it.
key_at() {
  key=
  for name in keys/*.pem; do
    first=${name#keys/}
    first=${first%.pem}
    while [ "${first#0}" != "$first" ] && [ "$first" != 0 ]; do first=${first#0}; done
    if [ "$first" -le "$1" ]; then key=$name; fi
  done
}

# Check the signature (base64, $3) of a key ($1) over a file ($2): its last 64 bytes.
signed() {
  printf '%s' "$3" | base64 -d 2>"$work/ignored" | tail -c 64 >"$work/signature"
  openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$work/signature" >"$work/ignored" 2>&1
}

# Check the form and the signature of a checkpoint's note ($1); set "size", "root" and "key".
check_note() {
  origin= size= root= empty= line=
  { IFS= read -r origin && IFS= read -r size && IFS= read -r root && IFS= read -r empty && IFS= read -r line; } <"$1" ||
    fail "$1 is no checkpoint"
  printf '%s\n%s\n%s\n' "$origin" "$size" "$root" >"$work/text"
  printf '\n%s\n' "$line" | cat "$work/text" - | cmp -s - "$1" || fail "$1 has more than a checkpoint has"
  [ "$origin" = evidence-workbench ] || fail "$1 is of another ledger"
  case $size in '' | *[!0-9]* | 0?*) fail "$1 states no size" ;; esac
  key_at "$size"
  [ -n "$key" ] || fail "there is no key for $1"
  signed "$key" "$work/text" "${line##* }" || fail "$1 is not signed with the key in force at its size"
}

# An awk function: a hash in hexadecimal as base64.
BASE64='function base64(hex,  i, j, bits, out) {
  if (!letters) {
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 16; i++) value[substr("0123456789abcdef", i + 1, 1)] = i
  }
  hex = hex "00"
  for (i = 1; i < 67; i += 6) {
    bits = 0
    for (j = 0; j < 6; j++) bits = bits * 16 + value[substr(hex, i + j, 1)]
    for (j = 18; j >= 0; j -= 6) out = out substr(letters, int(bits / 2 ^ j) % 64 + 1, 1)
  }
  return substr(out, 1, 43) "="
}'

is_hex() {
  [ "$(grep -Ecv '^[0-9a-f]{64}$' "$1" || true)" -eq 0 ] || fail "$1 holds something else than hashes"
}

if [ -n "$only" ]; then
  check_note "$(ls checkpoints/*.txt | grep '/[0-9]*[.]txt$' | tail -n 1)"
  sed -n "$((only + 1))p" entries.jsonl >"$work/entry"
  [ -s "$work/entry" ] || fail "there is no entry $only"
  leaf=$(hash_leaves <"$work/entry")
  sed -n "$((only + 1))p" proofs.txt | tr ' ' '\n' | tail -n +3 >"$work/path"
  is_hex "$work/path"
  position=$only last=$((size - 1)) hash=$leaf
  while IFS= read -r sibling; do
    [ "$last" -gt 0 ] || fail "the proof of entry $only is too long"
    if [ $((position % 2)) -eq 1 ] || [ "$position" -eq "$last" ]; then
      pair="$sibling $hash"
      while [ $((position % 2)) -eq 0 ] && [ "$position" -gt 0 ]; do
        position=$((position / 2)) last=$((last / 2))
      done
    else
      pair="$hash $sibling"
    fi
    hash=$(printf '%s\n' "$pair" | awk "$ESC"'{ print "\\001" esc($1) esc($2) }' | hash_all)
    position=$((position / 2)) last=$((last / 2))
  done <"$work/path"
  [ "$last" -eq 0 ] && [ "$(printf '%s\n' "$hash" | awk "$BASE64"'{ print base64($1) }')" = "$root" ] ||
    fail "entry $only is not under the newest checkpoint"
  cat "$work/entry"
  echo "Sound: entry $only is under the checkpoint over $size entries, signed with"
  echo "$(openssl pkey -pubin -in "$key" -outform DER | sha256sum | cut -c 1-64)"
  exit 0
fi

# 1. Each entry's leaf hash, and each link of the chain: SHA-256 of the link before and the leaf.
is_hex chain.txt
entries=$(wc -l <entries.jsonl)
[ "$entries" -eq "$(wc -l <chain.txt)" ] || fail "entries.jsonl and chain.txt differ in length"
hash_leaves <entries.jsonl >"$work/level0"
paste -d ' ' "$work/level0" chain.txt | awk "$ESC"'
  NR == 1 { before = sprintf("%064d", 0) }
  { print esc(before) esc($1); before = $2 }' | hash_all >"$work/chain"
cmp -s "$work/chain" chain.txt || fail "the chain does not follow from the entries"

# 2. The tree: SHA-256 of a byte 1 and two neighbours, level by level, as far as subtrees are complete.
level=0
while [ "$(wc -l <"$work/level$level")" -gt 1 ]; do
  awk "$ESC"'NR % 2 { left = $1; next } { print "\\001" esc(left) esc($1) }' "$work/level$level" |
    hash_all >"$work/level$((level + 1))"
  level=$((level + 1))
done
for n in $(awk -v top="$level" 'BEGIN { for (n = 0; n <= top; n++) print n }'); do
  awk -v level="$n" '{ print level, NR, $1 }' "$work/level$n"
done >"$work/nodes"

# 3. The root at each checkpoint: the complete subtrees that its size is made of, folded from the right.
for note in checkpoints/*.txt; do
  check_note "$note"
  [ "$size" -le "$entries" ] || fail "there are $entries entries, but $note was signed over $size"
  echo "$size $root $note"
done >"$work/stated"
[ -s "$work/stated" ] || fail "there is no checkpoint"
cut -d ' ' -f 1 "$work/stated" >"$work/sizes"
grep -qx "$entries" "$work/sizes" || fail "the newest entries stand under no checkpoint"
awk 'NR == FNR { node[$1, $2] = $3; next }
  { line = $1
    for (level = 0; 2 ^ level <= $1; level++)
      if (int($1 / 2 ^ level) % 2) line = line " " node[level, int($1 / 2 ^ level)]
    print line }' "$work/nodes" "$work/sizes" >"$work/roots"
: >"$work/folds"
while awk 'NF > 2 { more = 1 } END { exit !more }' "$work/roots"; do
  awk "$ESC"'NF > 2 { print "\\001" esc($3) esc($2) }' "$work/roots" | hash_all >"$work/hashed"
  awk -v hashed="$work/hashed" -v size="$entries" -v folds="$work/folds" '
    $1 == size && !told { print $2 >>folds; told = 1 }
    NF > 2 { getline hash <hashed; line = $1 " " hash; for (i = 4; i <= NF; i++) line = line " " $i; print line; next }
    { print }' "$work/roots" >"$work/next"
  mv "$work/next" "$work/roots"
done
awk -v nothing="$(sha256sum </dev/null | cut -c 1-64)" "$BASE64"'{ print base64($1 ? $2 : nothing) }' "$work/roots" |
  paste -d ' ' - "$work/stated" | awk '$1 != $3 { print $2, $4; exit }' >"$work/wrong"
if read -r size note <"$work/wrong"; then fail "the first $size entries are not those that $note signed"; fi

# 4. The proofs are those of the tree over all entries.
if [ -f proofs.txt ]; then
  awk -v size="$entries" 'FILENAME == ARGV[1] { node[$1, $2] = $3; next }
    FILENAME == ARGV[2] { fold[++folds] = $1; next }
    END {
      for (level = 0; 2 ^ level <= size; level++) if (int(size / 2 ^ level) % 2) { height[++peaks] = level }
      for (peak = peaks; peak >= 1; peak--) {
        first = int(size / 2 ^ height[peak] - 1) * 2 ^ height[peak]
        for (i = first; i < first + 2 ^ height[peak]; i++) {
          line = i " " node[0, i + 1]
          for (level = 0; level < height[peak]; level++) {
            place = int(i / 2 ^ level)
            line = line " " node[level, place % 2 ? place : place + 2]
          }
          if (peak > 1) line = line " " fold[peak - 1]
          for (left = peak + 1; left <= peaks; left++)
            line = line " " node[height[left], int(size / 2 ^ height[left])]
          print line
        }
      }
    }' "$work/nodes" "$work/folds" | cmp -s - proofs.txt || fail "proofs.txt does not follow from the entries"
fi

# 5. The keys: each is named by the rotation entry before it and signed by the key before.
ls keys/*.pem >"$work/keys"
sed -n 1p "$work/keys" | grep -qx 'keys/000000000000.pem' || fail "the first key is missing"
awk '/"kind":"rotate-key"/ { print NR + 1 }' entries.jsonl >"$work/rotations"
[ "$(wc -l <"$work/keys")" -eq $(($(wc -l <"$work/rotations") + 1)) ] || fail "there are not as many keys as rotations"
old=keys/000000000000.pem
while read -r first; do
  new=keys/$(printf '%012d' "$first").pem
  [ -f "$new" ] || fail "there is no key $new"
  said=$(sed -n "$((first - 1))p" entries.jsonl)
  field() { printf '%s\n' "$said" | sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }
  [ "$(field previous_key)" = "$(sed -n 2p "$old")" ] || fail "entry $((first - 2)) replaces another key than $old"
  [ "$(field public_key)" = "$(sed -n 2p "$new")" ] || fail "entry $((first - 2)) names another key than $new"
  printf 'evidence-workbench key rotation\n%s\n%s\n' "$(field previous_key)" "$(field public_key)" >"$work/text"
  signed "$old" "$work/text" "$(field signature)" || fail "$new was not signed with the key before"
  old=$new
done <"$work/rotations"

echo "Sound: $entries entries, $(wc -l <"$work/sizes") checkpoints, $(wc -l <"$work/keys") keys. Compare the keys' fingerprints:"
while read -r name; do
  echo "$(openssl pkey -pubin -in "$name" -outform DER | sha256sum | cut -c 1-64)  $name"
done <"$work/keys"
