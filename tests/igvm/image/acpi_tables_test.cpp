// SPDX-License-Identifier: BSD-2-Clause-Patent
// The ACPI tables of an SEV-SNP guest, read as an operating system reads them (ACPI
// specification 6.5, chapter 5).
#include "igvm/image/acpi_tables.h"

#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace vestibule::igvm {

struct AcpiReader {
    std::array<u8, page_size> page;
    u64 gpa;

    template <class T>
    [[nodiscard]] T at(u64 address) const {
        T value{};
        EXPECT_LE(address - gpa + sizeof(T), page.size());
        std::memcpy(&value, &page[address - gpa], sizeof(T));
        return value;
    }

    [[nodiscard]] bool sums_to_zero(u64 address, u64 size) const {
        u8 sum = 0;
        for (u64 n = 0; n < size; ++n) {
            sum = static_cast<u8>(sum + at<u8>(address + n));
        }
        return sum == 0;
    }

    /// A table's length, where its signature and checksum are right.
    [[nodiscard]] u32 table(u64 address, const std::string& signature) const {
        const auto length = at<u32>(address + 4);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(&page[address - gpa]), 4), signature);
        EXPECT_TRUE(sums_to_zero(address, length)) << signature;
        return length;
    }
};

TEST(AcpiTables, TellsEveryProcessor) {
    for (const u32 processors : {1U, 4U, 255U, 256U, most_acpi_processors}) {
        constexpr u64 gpa = 0x21'7000;
        const AcpiReader reader{make_acpi_tables(gpa, processors), gpa};
        EXPECT_EQ(std::memcmp(reader.page.data(), "RSD PTR ", 8), 0);
        EXPECT_TRUE(reader.sums_to_zero(gpa, 20));
        EXPECT_TRUE(reader.sums_to_zero(gpa, reader.at<u32>(gpa + 20)));
        const auto xsdt = reader.at<u64>(gpa + 24);
        ASSERT_EQ(reader.table(xsdt, "XSDT"), 36U + 16U);
        const auto fadt = reader.at<u64>(xsdt + 36);
        const auto madt = reader.at<u64>(xsdt + 44);
        EXPECT_EQ(reader.table(fadt, "FACP"), 276U);
        EXPECT_EQ(reader.table(reader.at<u64>(fadt + 140), "DSDT"), 36U);
        EXPECT_EQ(reader.at<u64>(fadt + 140), reader.at<u32>(fadt + 40));
        const u64 end = madt + reader.table(madt, "APIC");
        EXPECT_EQ(reader.at<u32>(madt + 36), 0xFEE0'0000U);
        std::set<u32> ids;
        unsigned io_apics = 0;
        for (u64 entry = madt + 44; entry < end; entry += reader.at<u8>(entry + 1)) {
            ASSERT_GE(reader.at<u8>(entry + 1), 8U);
            switch (reader.at<u8>(entry)) {
            case 0:
                EXPECT_EQ(reader.at<u32>(entry + 4), 1U);
                ids.insert(reader.at<u8>(entry + 3));
                break;
            case 9:
                EXPECT_EQ(reader.at<u32>(entry + 8), 1U);
                ids.insert(reader.at<u32>(entry + 4));
                break;
            case 1:
                ++io_apics;
                EXPECT_EQ(reader.at<u32>(entry + 4), 0xFEC0'0000U);
                break;
            default: break;
            }
        }
        EXPECT_EQ(ids.size(), processors);
        EXPECT_EQ(*ids.rbegin(), processors - 1);
        EXPECT_EQ(io_apics, 1U);
    }
}

TEST(AcpiTables, AreNeverMoreThanAPage) {
    const AcpiReader reader{make_acpi_tables(0x1000, 100'000), 0x1000};
    const auto madt = reader.at<u64>(reader.at<u64>(0x1000 + 24) + 44);
    EXPECT_LT(reader.table(madt, "APIC"), page_size);
}

} // namespace vestibule::igvm
