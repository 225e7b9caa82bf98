// SPDX-License-Identifier: BSD-2-Clause-Patent
// See acpi_tables.h. A PC as all monitors have it: local APICs, one I/O APIC, the timer's interrupt
// at its input 2. No power management: there is no firmware that has switched it on.
#include "igvm/image/acpi_tables.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace vestibule::igvm {

namespace {

struct [[gnu::packed]] RootPointer {
    char signature[8];
    u8 checksum; // of the first 20 bytes
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
    u8 extended_checksum;
    u8 reserved[3];
};

static_assert(sizeof(RootPointer) == 36);

struct [[gnu::packed]] Header {
    char signature[4];
    u32 length;
    u8 revision;
    u8 checksum;
    char oem[6];
    char table[8];
    u32 oem_revision;
    char creator[4];
    u32 creator_revision;
};

static_assert(sizeof(Header) == 36);

/// What of the FADT is not zero (section 5.2.9).
namespace fadt {
constexpr u64 pm1a_events       = 56; // u32
constexpr u64 pm1a_control      = 64; // u32
constexpr u64 pm1_event_size    = 88; // u8
constexpr u64 pm1_control_size  = 89; // u8
constexpr u64 size              = 276;
constexpr u64 sci_interrupt     = 46;  // u16
constexpr u64 boot_architecture = 109; // u16
constexpr u64 flags             = 112; // u32
constexpr u64 minor_version     = 131; // u8
constexpr u64 dsdt              = 40;  // u32
constexpr u64 x_dsdt            = 140; // u64

constexpr u16 sci_of_a_pc    = 9;
constexpr u32 pm1a_of_a_pc   = 0x600; // QEMU\'s; must be named, even where it is switched off
constexpr u16 legacy_devices = 3;     // and a keyboard controller
constexpr u32 wbinvd         = 1u << 0;
constexpr u32 no_buttons     = 3u << 4; // neither of them a fixed feature
} // namespace fadt

struct [[gnu::packed]] LocalApic {
    u8 type = 0;
    u8 size = 8;
    u8 processor;
    u8 apic_id;
    u32 flags = 1; // enabled
};

/// For APIC IDs that the other form has no room for.
struct [[gnu::packed]] LocalX2Apic {
    u8 type      = 9;
    u8 size      = 16;
    u16 reserved = 0;
    u32 apic_id;
    u32 flags = 1;
    u32 processor;
};

struct [[gnu::packed]] IoApic {
    u8 type       = 1;
    u8 size       = 12;
    u8 id         = 0;
    u8 reserved   = 0;
    u32 address   = 0xFEC0'0000;
    u32 first_gsi = 0;
};

struct [[gnu::packed]] TimerOverride {
    u8 type   = 2;
    u8 size   = 10;
    u8 bus    = 0;
    u8 source = 0;
    u32 gsi   = 2;
    u16 flags = 0;
};

class TableMaker {
  public:
    explicit TableMaker(u64 gpa) : gpa_(gpa) {}

    template <class T>
    void append(const T& value) {
        std::memcpy(&page_[end_], &value, sizeof(T));
        end_ += sizeof(T);
    }

    template <class T>
    void store(u64 at, const T& value) {
        std::memcpy(&page_[at], &value, sizeof(T));
    }

    /// Begins a table at a multiple of 16; where it is in the page.
    u64 begin(std::string_view signature, u8 revision) {
        end_ = (end_ + 15) & ~u64{15};
        Header header{};
        std::ranges::copy(signature, header.signature);
        std::ranges::copy(std::string_view{"VESTIB"}, header.oem);
        std::ranges::copy(std::string_view{"VESTIBUL"}, header.table);
        std::ranges::copy(std::string_view{"VEST"}, header.creator);
        header.revision         = revision;
        header.oem_revision     = 1;
        header.creator_revision = 1;
        const u64 at            = end_;
        append(header);
        return at;
    }

    /// Length and checksum of the table that begins at `at` and ends here.
    void finish(u64 at) {
        store(at + offsetof(Header, length), static_cast<u32>(end_ - at));
        page_[at + offsetof(Header, checksum)] = checksum(at, end_ - at);
    }

    void skip_to(u64 at) { end_ = at; }

    [[nodiscard]] u64 address_of(u64 at) const { return gpa_ + at; }

    [[nodiscard]] u8 checksum(u64 at, u64 size) const {
        u8 sum = 0;
        for (u64 n = 0; n < size; ++n) {
            sum = static_cast<u8>(sum + page_[at + n]);
        }
        return static_cast<u8>(-sum);
    }

    [[nodiscard]] const std::array<u8, page_size>& page() const { return page_; }

  private:
    u64 gpa_;
    u64 end_ = 0;
    std::array<u8, page_size> page_{};
};

u64 add_fadt(TableMaker& maker, u64 dsdt) {
    constexpr u8 revision = 6;
    const u64 at          = maker.begin("FACP", revision);
    maker.store(at + fadt::dsdt, static_cast<u32>(maker.address_of(dsdt)));
    maker.store(at + fadt::x_dsdt, maker.address_of(dsdt));
    maker.store(at + fadt::sci_interrupt, fadt::sci_of_a_pc);
    maker.store(at + fadt::boot_architecture, fadt::legacy_devices);
    maker.store(at + fadt::pm1a_events, fadt::pm1a_of_a_pc);
    maker.store(at + fadt::pm1a_control, fadt::pm1a_of_a_pc + 4);
    maker.store(at + fadt::pm1_event_size, u8{4});
    maker.store(at + fadt::pm1_control_size, u8{2});
    maker.store(at + fadt::flags, fadt::wbinvd | fadt::no_buttons);
    maker.store(at + fadt::minor_version, u8{5});
    maker.skip_to(at + fadt::size);
    maker.finish(at);
    return at;
}

u64 add_madt(TableMaker& maker, u32 processors) {
    constexpr u8 revision       = 5;
    constexpr u32 local_apic    = 0xFEE0'0000;
    constexpr u32 has_8259      = 1;
    constexpr u32 first_wide_id = 255;
    const u64 at                = maker.begin("APIC", revision);
    maker.append(local_apic);
    maker.append(has_8259);
    for (u32 id = 0; id < processors; ++id) {
        if (id < first_wide_id) {
            maker.append(
                LocalApic{.processor = static_cast<u8>(id), .apic_id = static_cast<u8>(id)});
        } else {
            maker.append(LocalX2Apic{.apic_id = id, .processor = id});
        }
    }
    maker.append(IoApic{});
    maker.append(TimerOverride{});
    maker.finish(at);
    return at;
}

} // namespace

std::array<u8, page_size> make_acpi_tables(u64 gpa, u32 processors) {
    TableMaker maker(gpa);
    maker.skip_to(sizeof(RootPointer));
    const u64 dsdt = maker.begin("DSDT", 2);
    maker.finish(dsdt);
    const u64 fadt = add_fadt(maker, dsdt);
    const u64 madt = add_madt(maker, std::min(processors, most_acpi_processors));
    const u64 xsdt = maker.begin("XSDT", 1);
    maker.append(maker.address_of(fadt));
    maker.append(maker.address_of(madt));
    maker.finish(xsdt);

    RootPointer root{};
    std::ranges::copy(std::string_view{"RSD PTR "}, root.signature);
    std::ranges::copy(std::string_view{"VESTIB"}, root.oem);
    root.revision = 2;
    root.length   = sizeof(RootPointer);
    root.xsdt     = maker.address_of(xsdt);
    maker.store(0, root);
    constexpr u64 old_size = 20; // of ACPI 1.0
    root.checksum          = maker.checksum(0, old_size);
    maker.store(0, root);
    root.extended_checksum = maker.checksum(0, sizeof(root));
    maker.store(0, root);
    return maker.page();
}

} // namespace vestibule::igvm
