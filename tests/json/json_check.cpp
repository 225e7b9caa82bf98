// SPDX-License-Identifier: BSD-2-Clause-Patent
// Holds JSON outputs against their schemas: json_check DIRECTORY FILE... Exit status 1 where one is
// not as its schema has it.
#include "tests/json/schema.h"

#include <cstdio>
#include <fstream>
#include <iterator>

int main(int argc, char** argv) {
    int status = 0;
    for (int n = 2; n < argc; ++n) {
        std::string wrong;
        try {
            std::ifstream file(argv[n]);
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            wrong = vestibule::json::output_mismatch(argv[1], text).value_or("");
        } catch (const std::exception& error) {
            wrong = error.what();
        }
        if (!wrong.empty()) {
            std::fprintf(stderr, "json_check: %s: %s\n", argv[n], wrong.c_str());
            status = 1;
        }
    }
    return status;
}
