# Definitions that are added to those of the jaq crates, or replace them where jq behaves otherwise.

def isnan: . != .;

# The next three stand where those of the crates stood, before `null` is defined: hence `[][0]`.
def from_entries: reduce .[] as $entry ({};
  . + { ($entry | if has("key") then .key else .k // .name // .Name // .K // .Key end | tostring):
        ($entry | if has("value") then .value elif has("v") then .v else .Value end) });
def join($separator):
  .[] |= (if . == [][0] then "" else tostring end)
  | .[:-1][] += $separator
  | reduce .[] as $part (""; . + $part);
def del(f): delpaths([path(f)]);

def scan_(re; flags): matches(re; flags)[] | [.[].string] | if length > 1 then .[1:] else .[0] end;

def tonumber: if isnumber then . else fromjson | if isnumber then . else error("not a number") end end;
def toboolean: if isboolean then . else fromjson | if isboolean then . else error("not a boolean") end end;
def transpose: [range(map(length) | max) as $i | map(.[$i])];
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i)[0];
def rindex($i): indices($i)[-1];
def @json: tojson;

def toarray: if isarray then . else [.] end;
def trimstr($x): ltrimstr($x) | rtrimstr($x);
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def leaf_paths: paths(scalars);
def tostream:
  path(def r: (.[]? | r), .; r) as $p
  | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);

def date: todate;
def dateadd(unit; $n): . + $n;
def datesub(unit; $n): . - $n;

def _cell(quote):
  if isstring then quote
  elif isnumber or isboolean then tojson
  elif . == null then ""
  else error("a cell of a table must be a string, a number, a boolean or null, not \(type)") end;
def @csv: map(_cell("\"" + (split("\"") | join("\"\"")) + "\"")) | join(",");
def @tsv: map(_cell(
    split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n")
    | split("\r") | join("\\r")
  )) | join("\t");
