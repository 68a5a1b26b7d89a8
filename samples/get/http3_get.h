// http3_get.h: fetches a page by HTTP/3.
#pragma once
#include "http_get.h"

/// Writes the page to standard output and its status to standard error. `first` carries the request.
trellis::Task<trellis::Result<void>> http3_get(trellis::Connection first, Url url);
