// SPDX-License-Identifier: BSD-2-Clause-Patent
// The parameters that a launcher tells its guest, as bytes (igvm.md, section 3; ACPI 6.5, section
// 5.2.12; Devicetree specification 0.4, chapter 5). None is measured: the guest checks them itself.
#include "igvm/format/file_content.h"

#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <numeric>

namespace vestibule::igvm {

namespace {
/// Bytes one after another, little-endian.
class Bytes {
  public:
    template <std::integral T>
    Bytes& add(T value) {
        const auto raw = std::bit_cast<std::array<u8, sizeof(T)>>(value);
        bytes.insert(bytes.end(), raw.begin(), raw.end());
        return *this;
    }

    Bytes& add(std::string_view text) {
        bytes.insert(bytes.end(), text.begin(), text.end());
        return *this;
    }

    Bytes& add_big(u32 value) { return add(__builtin_bswap32(value)); }

    void patch(u64 at, u32 value) { std::memcpy(bytes.data() + at, &value, sizeof(value)); }

    std::vector<u8> bytes; // NOLINT(misc-non-private-member-variables-in-classes)
};

std::vector<u8> memory_map(const GuestMachine& machine) {
    Bytes map;
    for (const GpaRange& ram : ram_of(machine.memory)) {
        map.add(ram.gpa / page_size).add(ram.size / page_size).add(u16{0}).add(u16{0}).add(u32{0});
    }
    map.bytes.resize(map.bytes.size() + 24); // an entry of no pages ends it
    return map.bytes;
}

constexpr u32 local_apic_address = 0xFEE0'0000;
constexpr u32 io_apic_address    = 0xFEC0'0000;

std::vector<u8> madt(const GuestMachine& machine) {
    Bytes table;
    table.add("APIC").add(u32{0}).add(u8{5}).add(u8{0}); // length and checksum follow
    table.add("VSTBL ").add("SEVLAUNC").add(u32{1}).add("VSTB").add(u32{1});
    table.add(local_apic_address).add(u32{1}); // with a PC's two 8259s
    for (u32 cpu = 0; cpu < machine.vcpus; ++cpu) {
        table.add(u8{0}).add(u8{8}).add(static_cast<u8>(cpu)).add(static_cast<u8>(cpu)).add(u32{1});
    }
    const auto io_apic = static_cast<u8>(machine.vcpus);
    table.add(u8{1}).add(u8{12}).add(io_apic).add(u8{0}).add(io_apic_address).add(u32{0});
    // The timer's IRQ 0 arrives at input 2.
    table.add(u8{2}).add(u8{10}).add(u8{0}).add(u8{0}).add(u32{2}).add(u16{0});
    constexpr u64 length_at   = 4;
    constexpr u64 checksum_at = 9;
    table.patch(length_at, static_cast<u32>(table.bytes.size()));
    table.bytes[checksum_at] =
        static_cast<u8>(-std::accumulate(table.bytes.begin(), table.bytes.end(), 0));
    return table.bytes;
}

/// A flattened devicetree, whose numbers are big-endian.
class DeviceTree {
  public:
    void begin(std::string_view name) {
        structure_.add_big(1).add(name).add(u8{0});
        pad();
    }

    void end() { structure_.add_big(2); }

    void property(std::string_view name, std::string_view value) {
        structure_.add_big(3).add_big(static_cast<u32>(value.size()));
        structure_.add_big(static_cast<u32>(strings_.bytes.size())).add(value);
        pad();
        strings_.add(name).add(u8{0});
    }

    void cells(std::string_view name, std::initializer_list<u64> values, bool wide) {
        Bytes bytes;
        for (const u64 value : values) {
            if (wide) {
                bytes.add_big(high_half(value));
            }
            bytes.add_big(low_half(value));
        }
        const auto* const text = reinterpret_cast<const char*>(bytes.bytes.data()); // NOLINT
        property(name, {text, bytes.bytes.size()});
    }

    std::vector<u8> finish() {
        structure_.add_big(9);
        constexpr u32 header  = 40;
        constexpr u32 reserve = 16; // no reserved memory: one entry of zeros
        const auto size       = static_cast<u32>(structure_.bytes.size());
        const auto strings    = static_cast<u32>(strings_.bytes.size());
        Bytes tree;
        tree.add_big(0xD00D'FEED).add_big(header + reserve + size + strings);
        tree.add_big(header + reserve).add_big(header + reserve + size).add_big(header);
        tree.add_big(17).add_big(16).add_big(0).add_big(strings).add_big(size);
        tree.bytes.resize(header + reserve);
        tree.bytes.insert(tree.bytes.end(), structure_.bytes.begin(), structure_.bytes.end());
        tree.bytes.insert(tree.bytes.end(), strings_.bytes.begin(), strings_.bytes.end());
        return tree.bytes;
    }

  private:
    void pad() { structure_.bytes.resize((structure_.bytes.size() + 3) & ~u64{3}); }

    Bytes structure_, strings_;
};

std::string terminated(const std::string& text) { return {text.c_str(), text.size() + 1}; }

std::vector<u8> device_tree(const GuestMachine& machine) {
    DeviceTree tree;
    tree.begin("");
    tree.cells("#address-cells", {2}, false);
    tree.cells("#size-cells", {2}, false);
    tree.begin("chosen");
    tree.property("bootargs", terminated(machine.command_line));
    tree.end();
    for (const GpaRange& ram : ram_of(machine.memory)) {
        tree.begin(ram.gpa == 0 ? "memory@0" : "memory@100000000");
        tree.property("device_type", terminated("memory"));
        tree.cells("reg", {ram.gpa, ram.size}, true);
        tree.end();
    }
    tree.begin("cpus");
    tree.cells("#address-cells", {1}, false);
    tree.cells("#size-cells", {0}, false);
    for (u32 cpu = 0; cpu < machine.vcpus; ++cpu) {
        constexpr const char* digits = "0123456789abcdef";
        tree.begin(std::string("cpu@") + digits[cpu / 16] + digits[cpu % 16]);
        tree.property("device_type", terminated("cpu"));
        tree.cells("reg", {cpu}, false);
        tree.end();
    }
    tree.end();
    tree.end();
    return tree.finish();
}
} // namespace

std::vector<u8> parameter_bytes(HeaderType type, const GuestMachine& machine) {
    switch (type) {
    case HeaderType::vp_count_parameter: return Bytes().add(machine.vcpus).bytes;
    // Memory that the file does not mention is the host's until the guest takes it.
    case HeaderType::environment_info_parameter: return Bytes().add(u32{1}).bytes;
    case HeaderType::memory_map: return memory_map(machine);
    case HeaderType::madt: return madt(machine);
    case HeaderType::device_tree: return device_tree(machine);
    case HeaderType::command_line: return Bytes().add(terminated(machine.command_line)).bytes;
    default: return {};
    }
}

} // namespace vestibule::igvm
