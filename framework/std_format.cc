// std_format.cc: the one copy of the formatting engine, and the owner of the precompiled headers.
#include "std_format.h"

#if _GLIBCXX_RELEASE == 14 && !defined(__clang__)
namespace std::__format {
template _Sink_iter<char> __do_vformat_to(_Sink_iter<char>, std::string_view,
                                          const std::basic_format_args<std::format_context>&, const std::locale*);
}  // namespace std::__format
#endif
