// Compiled once: Catch's main costs ten seconds of compile time.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
