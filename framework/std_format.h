// std_format.h: the formatting engine of the standard library, compiled once and not in each source that formats.
//
// std::format() of libstdc++ 14 brings its whole engine along as templates: 2.5 s of the compiler's time and 80 kB in
// every object. It comes with the precompiled headers (trellis_use_std_headers()), so no source includes it, and where
// those are not used, or with another standard library, everything is as ever.
#pragma once

#include <format>

#if _GLIBCXX_RELEASE == 14 && !defined(__clang__)
namespace std::__format {
extern template _Sink_iter<char> __do_vformat_to(_Sink_iter<char>, std::string_view,
                                                 const std::basic_format_args<std::format_context>&,
                                                 const std::locale*);
}  // namespace std::__format
#endif
