// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table of hashes that a flash image's guest boots a kernel by, against the one that a launch
// measures.
#include "boot/fw_cfg/hash_table.h"

#include "igvm/measure/kernel_hashes.h"

#include <cstring>
#include <gtest/gtest.h>
#include <string>

namespace vestibule::test {

namespace {

const std::string kernel = "a kernel";
const std::string initrd = "an initrd";
const std::string line   = "quiet";

std::span<const u8> bytes_of(const std::string& text) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

boot::fw_cfg::HashTable measured() {
    const auto bytes = igvm::hash_table({.kernel       = igvm::sha256(bytes_of(kernel)),
                                         .initrd       = igvm::sha256(bytes_of(initrd)),
                                         .command_line = line});
    boot::fw_cfg::HashTable table{};
    std::memcpy(&table, bytes.data(), sizeof table);
    return table;
}

bool is_right(const boot::fw_cfg::Hash& hash, const std::string& text, bool with_zero = false) {
    crypto::Sha256 of;
    of.add(bytes_of(text).data(), text.size() + (with_zero ? 1 : 0));
    return boot::fw_cfg::is_right(hash, of);
}

} // namespace

TEST(BootHashTable, IsTheOneThatLaunchesMeasure) {
    const auto table = measured();
    EXPECT_TRUE(boot::fw_cfg::is_hash_table(table));
    EXPECT_TRUE(is_right(table.kernel, kernel));
    EXPECT_TRUE(is_right(table.initrd, initrd));
    EXPECT_TRUE(is_right(table.command_line, line, true));
}

TEST(BootHashTable, RefusesOtherBytes) {
    const auto table = measured();
    EXPECT_FALSE(is_right(table.kernel, initrd));
    EXPECT_FALSE(is_right(table.kernel, kernel + "."));
    EXPECT_FALSE(is_right(table.command_line, line)) << "its zero is hashed too";
    EXPECT_FALSE(is_right(table.initrd, ""));
}

/// A page of a launch without hashes, and a table with one bit of its frame changed.
TEST(BootHashTable, KnowsWhatIsNone) {
    EXPECT_FALSE(boot::fw_cfg::is_hash_table({}));
    const auto good    = measured();
    const u64 frames[] = {offsetof(boot::fw_cfg::HashTable, guid),
                          offsetof(boot::fw_cfg::HashTable, length),
                          offsetof(boot::fw_cfg::HashTable, command_line),
                          offsetof(boot::fw_cfg::HashTable, initrd) + 16,
                          offsetof(boot::fw_cfg::HashTable, kernel) + 15};
    for (const u64 at : frames) {
        u8 bytes[sizeof good];
        std::memcpy(bytes, &good, sizeof good);
        bytes[at] ^= 1;
        boot::fw_cfg::HashTable changed;
        std::memcpy(&changed, bytes, sizeof changed);
        EXPECT_FALSE(boot::fw_cfg::is_hash_table(changed)) << at;
    }
}

} // namespace vestibule::test
