// SPDX-License-Identifier: BSD-2-Clause-Patent
// libFuzzer on the IGVM library: any bytes, through everything that igvmtool does with a file. The
// corpus beside this file is its start; `igvm_fuzz DIRECTORY tests/fuzz/igvm_corpus` goes on for as
// long as one likes and keeps what it finds in DIRECTORY.
#include "tests/fuzz/igvm_exercise.h"

#include <vector>

using vestibule::u8;

extern "C" {
std::size_t LLVMFuzzerMutate(u8* data, std::size_t size, std::size_t max_size);
int LLVMFuzzerTestOneInput(const u8* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t max_size,
                                    unsigned seed);
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    using namespace vestibule::igvm;
    // In a block of exactly its size: one byte too far is seen.
    const std::vector<u8> bytes(data, data + size);
    Crc32 crc;
    crc.add(bytes);
    test::exercise(bytes, crc.value());
    return 0;
}

/// Nearly always with a right checksum, which mutations alone would never hit.
std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
    const std::size_t result = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 64 != 0) {
        vestibule::igvm::test::seal({data, result});
    }
    return result;
}
