#include "node/process/backtrace.h"

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/ascii.h"

#define FRAMES_MAX 20
#define OWN_MAX 8      /* frames of the signal handler, which are skipped */
#define SYMBOLS 64     /* symbols read from a file at once */
#define LINE_MAX_ 4352 /* bytes of a line of /proc/self/maps: a path and some numbers */
#define NAME_MAX_ 80   /* bytes of a function's name; longer (C++) names are cut */

struct frame {
	uintptr_t address, in_file; /* in memory; by the symbol table of the file */
	bool known, is_return;
	uintptr_t start; /* of the function */
	char name[NAME_MAX_];
	unsigned module;
};

struct module {
	char path[256];
	uintptr_t base; /* address at which offset 0 of the file is mapped */
};

/* Not on the stack, as the signal stack is small. */
static struct {
	atomic_flag taken;
	unsigned count, modules;
	struct frame frames[FRAMES_MAX];
	struct module module[FRAMES_MAX];
	ElfW(Sym) symbols[SYMBOLS];
	char line[LINE_MAX_];
} work = {.taken = ATOMIC_FLAG_INIT};

void
backtrace_prepare(void)
{
	void *frame[1];

	backtrace(frame, 1);
}

/* ------------------------------------------------------------------ frames */

static uintptr_t
interrupted_address(const void *context)
{
	const ucontext_t *ucontext = context;

#if defined(__x86_64__)
	return (uintptr_t)ucontext->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)ucontext->uc_mcontext.pc;
#else
	(void)ucontext;
	return 0;
#endif
}

/* Collects the frames from the interrupted address `at` on; those before it belong to the signal handler. */
static void
frames_collect(uintptr_t at)
{
	void *found[FRAMES_MAX + OWN_MAX];
	int n = backtrace(found, FRAMES_MAX + OWN_MAX), first = 0;

	while (first < n && first <= OWN_MAX && (uintptr_t)found[first] != at)
		first++;
	work.count = 0;
	if (first == n || first > OWN_MAX) { /* after a call through a wild pointer the target cannot be unwound */
		first = 0;
		if (at != 0)
			work.frames[work.count++] = (struct frame){.address = at};
	}
	for (int i = first; i < n && work.count < FRAMES_MAX; i++)
		work.frames[work.count++] =
			(struct frame){.address = (uintptr_t)found[i], .is_return = (uintptr_t)found[i] != at};
}

/*
 * Returns an address inside the calling function. A return address itself may be the first byte of the next function.
 */
static uintptr_t
frame_code_address(const struct frame *frame)
{
	return frame->is_return ? frame->in_file - 1 : frame->in_file;
}

/* ----------------------------------------------------------------- modules */

static uintptr_t
read_hex(const char **at)
{
	uintptr_t value = 0;
	int digit;

	for (; (digit = ascii_hex_value(**at)) >= 0; (*at)++)
		value = value * 16 + (uintptr_t)digit;
	return value;
}

/* Notes which frames are in this mapping of a file. */
static void
module_note_mapping(uintptr_t start, uintptr_t end, uintptr_t base, const char *path)
{
	struct module *m = &work.module[work.modules];
	bool used = false;

	for (unsigned i = 0; i < work.count; i++) {
		struct frame *frame = &work.frames[i];

		if (frame->known || frame->address < start || frame->address >= end)
			continue;
		frame->known = used = true;
		frame->module = work.modules;
		frame->in_file = frame->address - base;
	}
	if (!used)
		return;
	m->base = base;
	strncpy(m->path, path, sizeof m->path - 1);
	work.modules++;
}

/* Parses "7f00-7f10 r-xp 00001000 08:01 123   /lib/x.so". The first mapping of a file has offset 0. */
static void
module_read_mapping(char *line)
{
	static uintptr_t base;
	const char *at = line, *path = strchr(line, '/');
	uintptr_t start = read_hex(&at), end, offset;

	if (*at++ != '-')
		return;
	end = read_hex(&at);
	if (strlen(at) < 7 || !path)
		return;
	at += 6;
	offset = read_hex(&at);
	if (offset == 0)
		base = start;
	module_note_mapping(start, end, base, path);
}

static void
find_modules(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	work.modules = 0;
	if (fd < 0)
		return;
	while ((n = read(fd, work.line + have, sizeof work.line - 1 - have)) > 0) {
		char *at = work.line, *end;

		have += (size_t)n;
		work.line[have] = '\0';
		while (work.modules < FRAMES_MAX && (end = strchr(at, '\n'))) {
			*end = '\0';
			module_read_mapping(at);
			at = end + 1;
		}
		have = (size_t)(work.line + have - at);
		if (have == sizeof work.line - 1) /* the line is too long: skip it */
			have = 0;
		memmove(work.line, at, have);
	}
	close(fd);
}

/* ----------------------------------------------------------------- symbols */

static bool
read_exactly_at(int fd, void *to, size_t n, ElfW(Off) at)
{
	return pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

static void
symbol_match(int fd, unsigned module, const ElfW(Sym) * symbol, ElfW(Off) names)
{
	for (unsigned i = 0; i < work.count; i++) {
		struct frame *frame = &work.frames[i];

		if (!frame->known || frame->module != module || frame->name[0] != '\0' ||
			frame_code_address(frame) < symbol->st_value ||
			frame_code_address(frame) >= symbol->st_value + symbol->st_size)
			continue;
		if (pread(fd, frame->name, sizeof frame->name - 1, (off_t)(names + symbol->st_name)) > 0)
			frame->start = symbol->st_value;
	}
}

static void
symbols_read_table(int fd, unsigned module, const ElfW(Shdr) * table, ElfW(Off) names)
{
	size_t left = table->sh_size / sizeof work.symbols[0];

	for (ElfW(Off) at = table->sh_offset; left > 0;) {
		size_t n = left < SYMBOLS ? left : SYMBOLS;

		if (!read_exactly_at(fd, work.symbols, n * sizeof work.symbols[0], at))
			return;
		for (size_t i = 0; i < n; i++) {
			/* the macro for 64 bits also fits 32 bits: the type is in the same bits */
			if (ELF64_ST_TYPE(work.symbols[i].st_info) == STT_FUNC &&
				work.symbols[i].st_shndx != SHN_UNDEF)
				symbol_match(fd, module, &work.symbols[i], names);
		}
		left -= n;
		at += n * sizeof work.symbols[0];
	}
}

/* SHT_SYMTAB also has static functions. In a stripped file only the dynamic linker's table is left. */
static void
symbols_read_tables(int fd, unsigned module, const ElfW(Ehdr) * head, unsigned type)
{
	for (unsigned i = 0; i < head->e_shnum; i++) {
		ElfW(Shdr) table, names;

		if (!read_exactly_at(fd, &table, sizeof table, head->e_shoff + i * sizeof table))
			return;
		if (table.sh_type != type || table.sh_entsize != sizeof work.symbols[0])
			continue;
		if (read_exactly_at(fd, &names, sizeof names, head->e_shoff + table.sh_link * sizeof names))
			symbols_read_table(fd, module, &table, names.sh_offset);
	}
}

static void
symbols_read_module(unsigned module)
{
	const struct module *m = &work.module[module];
	int fd = open(m->path, O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) head;

	if (fd < 0)
		return;
	if (read_exactly_at(fd, &head, sizeof head, 0) && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
		head.e_shentsize == sizeof(ElfW(Shdr))) {
		for (unsigned i = 0; head.e_type == ET_EXEC && i < work.count; i++) {
			if (work.frames[i].known && work.frames[i].module == module)
				work.frames[i].in_file = work.frames[i].address;
		}
		symbols_read_tables(fd, module, &head, SHT_SYMTAB);
		symbols_read_tables(fd, module, &head, SHT_DYNSYM);
	}
	close(fd);
}

/* -------------------------------------------------------------------- text */

struct text_out {
	char *at, *end;
};

static void
text_put(struct text_out *out, const char *text)
{
	while (*text != '\0' && out->at < out->end)
		*out->at++ = *text++;
}

static void
text_put_hex(struct text_out *out, uintptr_t value)
{
	char digits[2 * sizeof value + 1], *at = digits + sizeof digits - 1;

	*at = '\0';
	do
		*--at = ascii_hex_digits[value % 16];
	while ((value /= 16) > 0);
	text_put(out, "0x");
	text_put(out, at);
}

static const char *
path_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void
text_put_frame(struct text_out *out, const struct frame *frame)
{
	if (!frame->known) {
		text_put_hex(out, frame->address);
		return;
	}
	text_put(out, path_base_name(work.module[frame->module].path));
	text_put(out, "(");
	text_put(out, frame->name);
	text_put(out, "+");
	text_put_hex(out, frame->in_file - (frame->name[0] != '\0' ? frame->start : 0));
	text_put(out, ")");
}

void
backtrace_write(void *context, char text[BACKTRACE_TEXT_MAX])
{
	struct text_out out = {text, text + BACKTRACE_TEXT_MAX - 1};

	*text = '\0';
	if (atomic_flag_test_and_set(&work.taken))
		return;
	frames_collect(interrupted_address(context));
	memset(work.module, 0, sizeof work.module);
	find_modules();
	for (unsigned i = 0; i < work.modules; i++)
		symbols_read_module(i);
	for (unsigned i = 0; i < work.count; i++) {
		char *before = out.at;

		if (i > 0)
			text_put(&out, " ");
		text_put_frame(&out, &work.frames[i]);
		if (out.at == out.end) { /* does not fit: drop the partial frame */
			out.at = before;
			break;
		}
	}
	*out.at = '\0';
	atomic_flag_clear(&work.taken);
}
