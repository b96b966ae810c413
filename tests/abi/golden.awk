# Turns a history/v*/golden into C: out=c makes compile-time assertions that need
# no more than C89 and C++, out=asm preprocessor checks. Fails if the table has a
# gap, an overlap or an unknown line.

function fail(s)
{
	print "golden:" NR ": error: " s > "/dev/stderr"
	failed = 1
}

function check(name, cond)
{
	if (out == "c")
		printf "typedef char %s[(%s) ? 1 : -1];\n", name, cond
}

function bytes(type)
{
	if (type == "__u64")
		return 8
	if (type == "__u32" || type == "__s32")
		return 4
	sub(/^struct:/, "", type)
	if (!(type in size))
		fail("unknown type " type)
	return size[type]
}

function finish()
{
	if (cur != "" && next_off != size[cur])
		fail("struct " cur " has " size[cur] " bytes, fields end at " next_off)
}

/^#/ || NF == 0 { next }

($1 == "const" || $1 == "cconst" || $1 == "grows") && NF == 3 {
	op = $1 == "grows" ? ">=" : "=="
	check("value_of_" $2, "(__u64)(" $2 ") " op " (__u64)(" $3 ")")
	if (out == "asm" && $1 != "cconst")
		printf "#if !((%s) %s (%s))\n#error value of %s\n#endif\n", $2, op, $3, $2
	next
}

$1 == "struct" && NF == 3 {
	finish()
	cur = $2
	size[cur] = $3
	next_off = 0
	check("size_of_" cur, "sizeof(struct " cur ") == " $3)
	next
}

($1 == "field" || $1 == "reserved") && (NF == 5 || NF == 6) {
	if ($2 != cur || $4 != next_off)
		fail($2 "." $3 " does not follow the field before it")
	next_off = $4 + bytes($5) * (NF == 6 ? $6 : 1)
	if ($1 == "field" && out == "c") {
		type = $5
		sub(/:/, " ", type)
		check("offset_of_" $2 "__" $3, "offsetof(struct " $2 ", " $3 ") == " $4)
		# the exact type: another one is an incompatible pointer
		printf "void type_of_%s__%s(struct %s *s, %s (**p)%s);\n", $2, $3, $2, type, NF == 6 ? "[" $6 "]" : ""
		printf "void type_of_%s__%s(struct %s *s, %s (**p)%s) { *p = &s->%s; }\n", $2, $3, $2, type, NF == 6 ? "[" $6 "]" : "", $3
	}
	next
}

{ fail("not understood: " $0) }

END {
	finish()
	exit failed
}
