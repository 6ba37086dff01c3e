# Makes a manual page of the output of --help: awk -f man.awk -v name=sockeye -v summary=TEXT -v version=1.2.3
# Lines of --help at the left margin are paragraphs and headings, lines that begin with "  --" are options, lines that are
# indented further continue an option, and other indented lines are examples.

function text(s) {
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	if (s ~ /^[.']/)
		s = "\\&" s
	return s
}

function end_example() {
	if (example)
		print ".fi\n.RE"
	example = 0
}

# "--name VALUE" or "--help, -h": the name bold, the value italic
function option(flags,    value) {
	value = flags
	sub(/^[^ ]*( -[a-z])?/, "", value)
	print ".TP\n\\fB" text(substr(flags, 1, length(flags) - length(value))) "\\fR" (value ? "\\fI" text(value) "\\fR" : "")
}

BEGIN {
	printf ".TH %s 1 \"\" \"%s %s\"\n", toupper(name), name, version
	print ".nh\n.ad l"
	print ".SH NAME\n" name " \\- " text(summary) "\n.SH SYNOPSIS\n.nf"
	synopsis = 1
}

synopsis && /^(Usage:|  *sockeye)/ {
	sub(/^Usage: |^ */, "")
	print text($0)
	next
}

synopsis {
	print ".fi\n.SH DESCRIPTION"
	synopsis = 0
}

/^$/ {
	end_example()
	blank = 1
	next
}

/^  -/ {
	end_example()
	if (!options++)
		print ".SH OPTIONS"
	if (heading)
		print ".SS " text(heading)
	heading = ""
	sub(/^ */, "")
	at = match($0, /   *[^ ]/)
	option(at ? substr($0, 1, at - 1) : $0)
	if (at) {
		line = substr($0, at)
		sub(/^ */, "", line)
		print text(line)
	}
	blank = 0
	next
}

options && /^   / {
	sub(/^ */, "")
	print text($0)
	next
}

/^  / {
	if (heading)
		print ".SS " text(heading)
	heading = ""
	if (!example)
		print ".RS\n.nf"
	example = 1
	sub(/^  /, "")
	print text($0)
	next
}

{ end_example() }

# a heading of options, or of a list
/^[A-Z][A-Za-z0-9 ,.\/-]*$/ && blank && length($0) < 60 && !/\.$/ {
	heading = $0
	blank = 0
	next
}

# "Signals: ..." and "Exit status: ..." at the end
options && /^[A-Z][a-z ]*: / {
	at = index($0, ":")
	print ".SH " toupper(substr($0, 1, at - 1))
	$0 = substr($0, at + 2)
	blank = 0
}

{
	if (blank)
		print ".PP"
	blank = 0
	print text($0)
}

END { end_example() }
