# Makes the list of options of sockeye.conf(5) from the rows of --help=markdown: | name | flag | environment | meaning |

function text(s) {
	gsub(/\\\|/, "|", s)
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	if (s ~ /^[.']/)
		s = "\\&" s
	return s
}

/^\| [a-z]/ && !/^\| config / {
	name = $2
	meaning = $0
	for (cell = 0; cell < 4; cell++)
		sub(/^[^|]*\| /, "", meaning)
	sub(/ \|$/, "", meaning)
	print ".TP\n\\fB" name "\\fR\n" text(meaning)
}
