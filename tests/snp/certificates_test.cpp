// SPDX-License-Identifier: BSD-2-Clause-Patent
// Tables of certificates as a hypervisor may write them.
#include "snp/certificates.h"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace vestibule::test {

struct Table {
    explicit Table(u64 size) : bytes(size, 0) {}

    void put(u64 index, u8 guid, u32 offset, u32 length) {
        bytes[index * 24] = guid;
        std::memcpy(&bytes[index * 24 + 16], &offset, sizeof offset);
        std::memcpy(&bytes[index * 24 + 20], &length, sizeof length);
    }

    u64 size() const { return snp::certificate_table_size({bytes.data(), bytes.size()}); }

    std::vector<u8> bytes;
};

TEST(Certificates, NoneAtAll) {
    EXPECT_EQ(Table{4096}.size(), 24); // as KVM answers without any
    EXPECT_EQ(Table{24}.size(), 24);
    EXPECT_EQ(Table{23}.size(), 0);
    EXPECT_EQ(Table{0}.size(), 0);
}

TEST(Certificates, TwoInARow) {
    Table table{4096};
    table.put(0, 0x63, 72, 1000);
    table.put(1, 0x4A, 1072, 500);
    EXPECT_EQ(table.size(), 1572);
    snp::CertificateEntry entry;
    ASSERT_TRUE(snp::read_certificate_entry({table.bytes.data(), 1572}, 1, entry));
    EXPECT_EQ(entry.guid[0], 0x4A);
    EXPECT_EQ(entry.offset, 1072);
    EXPECT_EQ(entry.length, 500);
    EXPECT_FALSE(snp::read_certificate_entry({table.bytes.data(), 1572}, 2, entry));
}

TEST(Certificates, UpToTheLastByte) {
    Table table{4096};
    table.put(0, 0x63, 48, 4048);
    EXPECT_EQ(table.size(), 4096);
    table.put(0, 0x63, 48, 4049);
    EXPECT_EQ(table.size(), 0);
    table.put(0, 0x63, 4096, 0);
    EXPECT_EQ(table.size(), 4096);
    table.put(0, 0x63, 4097, 0);
    EXPECT_EQ(table.size(), 0);
}

TEST(Certificates, OffsetsThatWrapAround) {
    Table table{4096};
    table.put(0, 0x63, 0xFFFF'FFF0, 0x20);
    EXPECT_EQ(table.size(), 0);
    table.put(0, 0x63, 48, 0xFFFF'FFFF);
    EXPECT_EQ(table.size(), 0);
}

/// A certificate that lies over the entries would change what is read there.
TEST(Certificates, NotIntoTheTableItself) {
    Table table{4096};
    table.put(0, 0x63, 47, 10);
    EXPECT_EQ(table.size(), 0);
    table.put(0, 0x63, 48, 10);
    EXPECT_EQ(table.size(), 58);
    table.put(0, 0x63, 0, 10);
    EXPECT_EQ(table.size(), 0);
}

TEST(Certificates, ATableWithoutAnEnd) {
    Table table{240};
    for (u64 n = 0; n < 10; ++n) {
        table.put(n, 1, 240, 0);
    }
    EXPECT_EQ(table.size(), 0);
    Table cut{24 * 9 + 23}; // the zero entry lacks a byte
    for (u64 n = 0; n < 9; ++n) {
        cut.put(n, 1, 239, 0);
    }
    EXPECT_EQ(cut.size(), 0);
}

/// An entry is the last one only if all of it is zero.
TEST(Certificates, AZeroGuidIsNoEnd) {
    Table table{4096};
    table.put(0, 0, 60, 10);
    EXPECT_EQ(table.size(), 70);
    table.put(0, 0, 10, 10);
    EXPECT_EQ(table.size(), 0);
}

} // namespace vestibule::test
