// std_headers.cc: owns the precompiled headers of the standard library.
