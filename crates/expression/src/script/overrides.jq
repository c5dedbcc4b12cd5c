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
