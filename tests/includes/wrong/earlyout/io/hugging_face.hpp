#include <earlyout/io/detail/gguf_names.hpp>
