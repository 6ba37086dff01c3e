/* Defines WITH_ASAN if gcc or clang compiles with AddressSanitizer. */
#ifndef COMMON_BASE_ASAN_H
#define COMMON_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif

#endif
