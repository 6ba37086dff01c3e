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
#define OWN_MAX 8      /* frames of the handler itself, which are left out */
#define SYMBOLS 64     /* of a file, read at once */
#define LINE_MAX_ 4352 /* of /proc/self/maps: a path and some numbers */
#define NAME_MAX_ 80   /* of a function; C++ names may be longer and are cut */

struct frame {
	uintptr_t address, in_file; /* the latter as the file's symbol table counts */
	bool known, is_return;
	uintptr_t start; /* of the function */
	char name[NAME_MAX_];
	unsigned module;
};

struct module {
	char path[256];
	uintptr_t base; /* where the file's beginning is mapped */
};

/* Not on the stack, which may be a small one. */
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
interrupted_at(const void *context)
{
	const ucontext_t *u = context;

#if defined(__x86_64__)
	return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)u->uc_mcontext.pc;
#else
	(void)u;
	return 0;
#endif
}

/* The handler's own frames end where the interrupted function begins. */
static void
collect(uintptr_t at)
{
	void *found[FRAMES_MAX + OWN_MAX];
	int n = backtrace(found, FRAMES_MAX + OWN_MAX), first = 0;

	while (first < n && first <= OWN_MAX && (uintptr_t)found[first] != at)
		first++;
	work.count = 0;
	if (first == n || first > OWN_MAX) { /* a call of a wild pointer cannot be unwound from its target */
		first = 0;
		if (at != 0)
			work.frames[work.count++] = (struct frame){.address = at};
	}
	for (int i = first; i < n && work.count < FRAMES_MAX; i++)
		work.frames[work.count++] =
			(struct frame){.address = (uintptr_t)found[i], .is_return = (uintptr_t)found[i] != at};
}

/* A return address may be the first byte of the next function. */
static uintptr_t
inside(const struct frame *f)
{
	return f->is_return ? f->in_file - 1 : f->in_file;
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

/* The frames inside this mapping of a file. */
static void
note_mapping(uintptr_t start, uintptr_t end, uintptr_t base, const char *path)
{
	struct module *m = &work.module[work.modules];
	bool used = false;

	for (unsigned i = 0; i < work.count; i++) {
		struct frame *f = &work.frames[i];

		if (f->known || f->address < start || f->address >= end)
			continue;
		f->known = used = true;
		f->module = work.modules;
		f->in_file = f->address - base;
	}
	if (!used)
		return;
	m->base = base;
	strncpy(m->path, path, sizeof m->path - 1);
	work.modules++;
}

/* "7f00-7f10 r-xp 00001000 08:01 123   /lib/x.so": a file's first mapping has offset 0. */
static void
read_mapping(char *line)
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
	note_mapping(start, end, base, path);
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
			read_mapping(at);
			at = end + 1;
		}
		have = (size_t)(work.line + have - at);
		if (have == sizeof work.line - 1) /* a line that fits nowhere */
			have = 0;
		memmove(work.line, at, have);
	}
	close(fd);
}

/* ----------------------------------------------------------------- symbols */

static bool
read_at(int fd, void *to, size_t n, ElfW(Off) at)
{
	return pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

static void
match(int fd, unsigned module, const ElfW(Sym) * s, ElfW(Off) names)
{
	for (unsigned i = 0; i < work.count; i++) {
		struct frame *f = &work.frames[i];

		if (!f->known || f->module != module || f->name[0] != '\0' || inside(f) < s->st_value ||
			inside(f) >= s->st_value + s->st_size)
			continue;
		if (pread(fd, f->name, sizeof f->name - 1, (off_t)(names + s->st_name)) > 0)
			f->start = s->st_value;
	}
}

static void
read_table(int fd, unsigned module, const ElfW(Shdr) * table, ElfW(Off) names)
{
	size_t left = table->sh_size / sizeof work.symbols[0];

	for (ElfW(Off) at = table->sh_offset; left > 0;) {
		size_t n = left < SYMBOLS ? left : SYMBOLS;

		if (!read_at(fd, work.symbols, n * sizeof work.symbols[0], at))
			return;
		for (size_t i = 0; i < n; i++) {
			/* the type is in the same bits in both classes */
			if (ELF64_ST_TYPE(work.symbols[i].st_info) == STT_FUNC &&
				work.symbols[i].st_shndx != SHN_UNDEF)
				match(fd, module, &work.symbols[i], names);
		}
		left -= n;
		at += n * sizeof work.symbols[0];
	}
}

/* The whole table names static functions too; where it was stripped, the one of the dynamic linker is left. */
static void
read_tables(int fd, unsigned module, const ElfW(Ehdr) * head, unsigned type)
{
	for (unsigned i = 0; i < head->e_shnum; i++) {
		ElfW(Shdr) table, names;

		if (!read_at(fd, &table, sizeof table, head->e_shoff + i * sizeof table))
			return;
		if (table.sh_type != type || table.sh_entsize != sizeof work.symbols[0])
			continue;
		if (read_at(fd, &names, sizeof names, head->e_shoff + table.sh_link * sizeof names))
			read_table(fd, module, &table, names.sh_offset);
	}
}

static void
read_module(unsigned module)
{
	const struct module *m = &work.module[module];
	int fd = open(m->path, O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) head;

	if (fd < 0)
		return;
	if (read_at(fd, &head, sizeof head, 0) && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
		head.e_shentsize == sizeof(ElfW(Shdr))) {
		for (unsigned i = 0; head.e_type == ET_EXEC && i < work.count; i++) {
			if (work.frames[i].known && work.frames[i].module == module)
				work.frames[i].in_file = work.frames[i].address;
		}
		read_tables(fd, module, &head, SHT_SYMTAB);
		read_tables(fd, module, &head, SHT_DYNSYM);
	}
	close(fd);
}

/* -------------------------------------------------------------------- text */

struct text_out {
	char *at, *end;
};

static void
put(struct text_out *out, const char *text)
{
	while (*text != '\0' && out->at < out->end)
		*out->at++ = *text++;
}

static void
put_hex(struct text_out *out, uintptr_t value)
{
	char digits[2 * sizeof value + 1], *at = digits + sizeof digits - 1;

	*at = '\0';
	do
		*--at = ascii_hex_digits[value % 16];
	while ((value /= 16) > 0);
	put(out, "0x");
	put(out, at);
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void
put_frame(struct text_out *out, const struct frame *f)
{
	if (!f->known) {
		put_hex(out, f->address);
		return;
	}
	put(out, last_part(work.module[f->module].path));
	put(out, "(");
	put(out, f->name);
	put(out, "+");
	put_hex(out, f->in_file - (f->name[0] != '\0' ? f->start : 0));
	put(out, ")");
}

void
backtrace_write(void *context, char text[BACKTRACE_TEXT_MAX])
{
	struct text_out out = {text, text + BACKTRACE_TEXT_MAX - 1};

	*text = '\0';
	if (atomic_flag_test_and_set(&work.taken))
		return;
	collect(interrupted_at(context));
	memset(work.module, 0, sizeof work.module);
	find_modules();
	for (unsigned i = 0; i < work.modules; i++)
		read_module(i);
	for (unsigned i = 0; i < work.count; i++) {
		char *before = out.at;

		if (i > 0)
			put(&out, " ");
		put_frame(&out, &work.frames[i]);
		if (out.at == out.end) { /* no half frames */
			out.at = before;
			break;
		}
	}
	*out.at = '\0';
	atomic_flag_clear(&work.taken);
}
