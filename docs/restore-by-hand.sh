#!/usr/bin/env bash
# Restores one backup without pgcairn: bash, coreutils, jq, zstd and, with encryption, age. docs/restore-by-hand.md
# says how to use it and what comes after it, docs/format.md what it reads.
#
#   restore-by-hand.sh [-i IDENTITY] [-t OLD=NEW]... REPOSITORY CLUSTER BACKUP TARGET
#
# REPOSITORY holds pgcairn.json, CLUSTER is clusters/<name>/<system identifier>, BACKUP an id, TARGET an empty
# directory or none. -t moves a tablespace; without it a tablespace returns to where it was.
set -euo pipefail
export LC_ALL=C
umask 077

die() { echo "restore-by-hand: $*" >&2; exit 1; }

identity=''
declare -A moved=()
while getopts i:t: option; do
  case $option in
    i) identity=$OPTARG ;;
    t) moved[${OPTARG%%=*}]=${OPTARG#*=} ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# = 4 ] || die "expected REPOSITORY CLUSTER BACKUP TARGET"
repository=$(realpath "$1") cluster=$2 backup=$3
base=$repository/$cluster

mkdir -p "$4"
target=$(realpath "$4")
[ -z "$(ls -A "$target")" ] || die "$target is not empty"
scratch=$target/restore-by-hand.tmp
mkdir "$scratch"
trap 'rm -rf "$scratch"' EXIT

case $(jq -r .encryption "$repository/pgcairn.json") in
  age) suffix=.zst.age; [ -n "$identity" ] || die "the repository is encrypted: -i IDENTITY is needed" ;;
  none) suffix=.zst ;;
  *) die "$repository/pgcairn.json cannot be used" ;;
esac
content() { # of the closed object $1
  if [ "$suffix" = .zst ]; then zstd -dcq "$1"; else age -d -i "$identity" "$1" | zstd -dcq; fi
}

summary=$(head -n 1 "$base/backups/$backup.json")
[ "$(sha256sum <<<"$summary")" = "$(tail -n 1 "$base/backups/$backup.json" | jq -r .sha256)  -" ] || die "$backup.json is damaged"
field() { jq -er "$1" <<<"$summary"; }
[ "$(field .minimum_reader)" -le 1 ] || die "the backup is of a newer format than this script knows"
parts=$(field .parts)

echo "1 of 4: every object is what the backup names" >&2
[ "$(sha256sum <"$base/objects/$backup.jsonl.zst")" = "$(field .objects.sha256)  -" ] || die "the list of objects is damaged"
zstd -dcq "$base/objects/$backup.jsonl.zst" | jq -r '"\(.sha256)  \(.key)"' >"$scratch/objects"
(cd "$repository" && sha256sum --quiet --check "$scratch/objects") || die "objects are missing or damaged"

# A path as bash's printf %b reads it: text with its backslashes doubled, or bytes as \xHH.
text='def text: if type == "object" then .hex | gsub("(?<byte>..)"; "\\x\(.byte)") else gsub("\\\\"; "\\\\") end;'
place() { # sets path to where the file $1 belongs; the control file waits under another name
  printf -v path %b "$1"
  case /$path/ in *//* | */./* | */../*) die "the manifest holds the path $path" ;; esac
  [ "$path" != global/pg_control ] || path=global/pg_control.restored
  path=$target/$path
}

echo "2 of 4: $parts manifest parts, directories and tablespaces" >&2
for ((part = 1; part <= parts; part++)); do
  content "$base/manifests/$backup/$part.jsonl$suffix" >"$scratch/manifest.$part"
  jq -es --arg backup "$backup" --argjson part "$part" '.[0].type == "part" and .[0].format <= 1
    and .[0].backup == $backup and .[0].part == $part and all(.[]; .type | IN("part", "directory", "link", "file", "pack"))
    ' "$scratch/manifest.$part" >"$scratch/ok" || die "manifest part $part is not what it must be"
done
jq -r "$text"' select(.type == "link") | "\(.path | text)\t\(.target | text)"' "$scratch"/manifest.* >"$scratch/links"
while IFS=$'\t' read -r name location; do
  [[ $name =~ ^pg_tblspc/[0-9]+$ ]] || die "the manifest links $name"
  printf -v location %b "$location"
  location=${moved[$location]:-$location}
  [[ $location = /* ]] || location=$target/${location#../} # lies within the data directory
  case $location/ in */../*) die "the manifest holds the link to $location" ;; esac
  mkdir -p "$location" "$target/pg_tblspc"
  [ -z "$(ls -A "$location")" ] || die "the tablespace directory $location is not empty: move it with -t OLD=NEW"
  ln -s "$(realpath "$location")" "$target/$name"
done <"$scratch/links"
jq -r "$text"' select(.type == "directory") | "\(.mode)\t\(.path | text)"' "$scratch"/manifest.* >"$scratch/directories"
while IFS=$'\t' read -r mode name; do place "$name" && mkdir -p "$path"; done <"$scratch/directories"

echo "3 of 4: files" >&2
steps="$text"'
  (map(select(.type == "pack") | {key: "\(.number)", value: .}) | from_entries) as $packs
  | (.[] | select(.type == "file") | "file\t\(.size)\t\(.mode)\t-\t\(.path | text)"),
    ([.[] | select(.type == "file") | (.path | text) as $path | .extents[] | {at: ., $path}] | group_by(.at[2])[]
      | ($packs["\(.[0].at[2])"] | "pack\t\(.id.backup)/\(.id.number)\t\([.frames[][1]] | add)\t-\t-"),
        (.[] | "extent\t\(.at[0])\t\(.at[1])\t\(.at[3])\t\(.path)"))'
for ((part = 1; part <= parts; part++)); do
  jq -rs "$steps" "$scratch/manifest.$part" >"$scratch/steps"
  while IFS=$'\t' read -r step a b c name; do
    case $step in
      file) # the whole size first: what no extent covers is zero
        place "$name" && truncate -s "$a" "$path"
        [ "$b" = 0600 ] || chmod "$b" "$path" ;;
      pack)
        [[ $a =~ ^[0-9A-Za-z-]+/[0-9]+$ ]] || die "manifest part $part names the pack $a"
        content "$base/packs/$a$suffix" >"$scratch/pack"
        [ "$(stat -c %s "$scratch/pack")" = "$b" ] || die "pack $a does not have the $b bytes that the manifest says" ;;
      extent)
        place "$name" && dd if="$scratch/pack" of="$path" bs=1M conv=notrunc status=none \
          iflag=skip_bytes,count_bytes,fullblock oflag=seek_bytes skip="$c" count="$b" seek="$a" ;;
    esac
  done <"$scratch/steps"
done
while IFS=$'\t' read -r mode name; do place "$name" && chmod "$mode" "$path"; done <"$scratch/directories"

echo "4 of 4: recovery.signal, and the control file when all else is durable" >&2
# The links are made; with the map the server would point them back to where they came from.
rm -f "$target/tablespace_map"
: >"$target/recovery.signal"
rm -rf "$scratch"
sync
mv "$target/global/pg_control.restored" "$target/global/pg_control"
sync
