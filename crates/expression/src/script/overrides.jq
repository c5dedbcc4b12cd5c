# Definitions that come after the engine's own and hide them.

# Nothing of the process is reached, printed or ended.
def env: {};
def debug: .;
def debug(f): .;
def debug_empty: empty;
def stderr: .;
def stderr_empty: empty;
def halt: error("halt is not available");
def halt($code): error("halt is not available");
def halt_error: error("halt_error is not available");
def halt_error($code): error("halt_error is not available");
def input: error("No more inputs");
def inputs: empty;

# A stated order.
def keys_unsorted: keys;

# What the engine lacks of jq.
def @csv: [.[] | if type == "string" then "\"" + (split("\"") | join("\"\"")) + "\""
  elif . == null then ""
  elif type == "array" or type == "object" then error("\(type) is not valid in a csv row")
  else tojson end] | join(",");
def @tsv: [.[] | if type == "string" then
    (split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n")
      | split("\r") | join("\\r"))
  elif . == null then ""
  elif type == "array" or type == "object" then error("\(type) is not valid in a tsv row")
  else tojson end] | join("\t");
def leaf_paths: paths(scalars);
def recurse_down: recurse;
def ascii: [.] | implode;
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; . + {($row | f | tostring): $row});
def INDEX(f): INDEX(.[]; f);
def tostream: path(def r: (.[]? | r), .; r) as $p | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);

# Indices that are computed may have a fraction.
def _index: if type == "number" then floor else . end;

# Assignment: what is there is updated in place; where something is not, jq's own way is gone, by paths.
# The first result counts, and no result deletes.
def _set($place; $value):
  if type == "object" or (. == null and ($place | type) == "string") then
    if ($place | type) == "string" then . + {($place): $value}
    else error("Cannot index object with \($place | type)") end
  elif type == "array" or (. == null and ($place | type) == "number") then
    if ($place | type) == "number" then
      (. // []) as $list | ($list | length) as $length | ($place | floor) as $at
      | if $at < 0 and - $at > $length then error("Out of bounds negative array index")
        elif $at >= $length then $list + [range($length; $at) | null] + [$value]
        else $list | .[$at] |= $value end
    elif ($place | type) == "object" then .[:$place.start] + $value + (if $place.end == null then [] else .[$place.end:] end)
    else error("Cannot update field at array index of array") end
  else error("Cannot index \(type) with \($place | if type == "string" then tojson else type end)") end;
def setpath($path; $value):
  if $path == [] then $value
  else $path[0] as $place
    | (if . == null then null else .[$place] end | setpath($path[1:]; $value)) as $new
    | _set($place; $new) end;
def _unset($path):
  if . == null then .
  elif ($path | length) == 1 then $path[0] as $place
    | if type == "array" and ($place | type) == "number" and ($place >= length or - $place > length) then .
      elif type == "object" and (has($place) | not) then .
      else .[$place] |= empty end
  else $path[0] as $place
    | if .[$place] == null then . else .[$place] |= _unset($path[1:]) end end;
def delpaths($paths):
  if any($paths[]; . == []) then null
  else reduce ($paths | unique | reverse)[] as $path (.; _unset($path)) end;
def del(paths): delpaths([path(paths)]);
def _assign(paths; $value): . as $before
  | try (paths |= $value)
    catch ($before | reduce path(paths) as $path (.; setpath($path; $value)));
def _update(paths; f): . as $before
  | try (paths |= first(f))
    catch ($before | reduce path(paths) as $path ([., []];
        [.[0] | getpath($path) | first(f)] as $new
        | if $new == [] then [.[0], .[1] + [$path]]
          else [(.[0] | setpath($path; $new[0])), .[1]] end)
      | .[1] as $gone | .[0] | delpaths($gone));

# Every spelling of keys and values.
def from_entries: reduce .[] as $entry ({}; . + {
  ($entry | if .key == null then .k // .name // .Name // .K // .Key else .key end
    | if type == "string" then . else tojson end):
  ($entry | if has("value") then .value elif has("v") then .v else .Value end)});
def with_entries(f): to_entries | map(f) | from_entries;
def join($between): reduce .[] as $part (null; (if . == null then "" else . + $between end)
  + ($part | if . == null then "" elif type == "boolean" or type == "number" then tojson else . end)) // "";
