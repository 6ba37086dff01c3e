# Makes the bash completion of the output of --help: awk -f completion.awk -v name=sockeye

# Adds what is known about an option, whose line and description are complete.
function end_option(    choices) {
	if (flag == "")
		return
	if (flag ~ /^--\[no-\]/) {
		sub(/\[no-\]/, "", flag)
		words = words " " flag " --no-" substr(flag, 3)
	} else {
		words = words " " flag
	}
	if (match(help, /one of [^ ;]*\|[^ ;]*/)) {
		choices = substr(help, RSTART + 7, RLENGTH - 7)
		gsub(/\|/, " ", choices)
		cases = cases "\t" flag ") COMPREPLY=($(compgen -W \"" choices "\" -- \"$cur\")); return ;;\n"
	} else if (value ~ /^(FILE|DIR)$/) {
		files = files (files ? "|" : "") flag
	} else if (value != "") {
		others = others (others ? "|" : "") flag
	}
	flag = ""
}

/^  --/ {
	end_option()
	flag = $1
	sub(/,$/, "", flag)
	rest = substr($0, index($0, flag) + length(flag))
	value = rest ~ /^ [^ -]/ ? $2 : ""
	help = rest
	next
}

/^   / {
	line = $0
	sub(/^ */, " ", line)
	help = help line
	next
}

{ end_option() }

END {
	end_option()
	print "# bash completion of " name "; generated from its --help"
	print "_" id(name) "() {"
	print "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
	print "\t# bash takes --name=value apart"
	print "\tif [ \"$cur\" = = ]; then cur=; elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi"
	print "\tCOMPREPLY=()"
	print "\tcase $prev in"
	printf "%s", cases
	if (files)
		print "\t" files ") COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames 2>/dev/null; return ;;"
	if (others)
		print "\t" others ") return ;;"
	print "\tesac"
	print "\tCOMPREPLY=($(compgen -W \"" substr(words, 2) "\" -- \"$cur\"))"
	print "}"
	print "complete -F _" id(name) " " name
}

function id(s) {
	gsub(/-/, "_", s)
	return s
}
