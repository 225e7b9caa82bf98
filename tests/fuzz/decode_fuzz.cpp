// SPDX-License-Identifier: BSD-2-Clause-Patent
// The decoder against Zydis on bytes that libFuzzer makes: the first one chooses the code size.
#include "tests/vc/decode_oracle.h"
#include <cstdio>
#include <cstdlib>
#include <vector>

using vestibule::test::DecodeOracle;
using vestibule::vc::CodeSize;

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
    static DecodeOracle oracles[] = {DecodeOracle{CodeSize::bits16}, DecodeOracle{CodeSize::bits32},
                                     DecodeOracle{CodeSize::bits64}};
    if (size == 0) {
        return 0;
    }
    DecodeOracle& oracle = oracles[data[0] % 3];
    // A copy of exactly these bytes, for AddressSanitizer to guard.
    const std::vector<unsigned char> bytes{data + 1, data + size};
    if (oracle.compare(bytes.data(), bytes.size()) == DecodeOracle::Verdict::disagree) {
        (void)std::fprintf(stderr, "%s\n", oracle.what().c_str());
        std::abort();
    }
    return 0;
}

// NOLINTEND(readability-identifier-naming)
