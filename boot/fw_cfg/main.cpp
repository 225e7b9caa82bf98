// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that boots the Linux kernel of the monitor's command line (QEMU's -kernel, -initrd and
// -append), as firmware does. SECURITY: an encrypted guest takes nothing of it whose hash is not in
// the table that the launch has measured; what is checked lies in private memory by then. On a
// native machine there is no such table, and nobody to hide from.
#include "boot/boot_info.h"
#include "boot/fw_cfg/device.h"
#include "boot/fw_cfg/hash_table.h"
#include "boot/jump_table/record.h"
#include "boot/ports.h"
#include "ghcb/msr_protocol.h"
#include "kernel/zero_page.h"
#include "x86/page_table.h"

using namespace vestibule;
using boot::Platform;
using kernel::MemoryType;
namespace fw_cfg     = boot::fw_cfg;
namespace jump_table = boot::jump_table;

extern "C" {
[[noreturn]] void payload_start(const boot::BootInfo& info);

// Assembly (boot/hand_over/enter_linux.asm).
[[noreturn]] void enter_linux(u64 entry, u64 zero_page);
}

namespace {

constexpr u64 most_setup        = u64{64} << 10;
constexpr u64 most_command_line = page_size;
constexpr u32 most_ranges       = 64;

alignas(page_size) constinit kernel::ZeroPage zero_page{};
constinit u8 setup[most_setup]{};
constinit char command_line[most_command_line]{};
constinit kernel::MemoryRange ranges[most_ranges]{};
constinit u32 range_count = 0;

class Loader {
  public:
    explicit Loader(const boot::BootInfo& boot_info) : info(boot_info) {}

    [[noreturn]] void run();

  private:
    [[noreturn]] void fail(ghcb::Reason reason) const;
    void require(bool right, ghcb::Reason reason) const;
    bool is_memory(u64 base, u64 size) const;
    u64 memory_end(u64 limit) const;
    void make_memory_map() const;
    void add_memory(u64 base, u64 end) const;
    void add_range(u64 base, u64 end, MemoryType type) const;
    const fw_cfg::HashTable* hashes() const;

    const vestibule_memory_range* memory() const {
        return reinterpret_cast<const vestibule_memory_range*>(is_snp() ? info.validated
                                                                        : info.ram);
    }

    u64 memory_count() const { return is_snp() ? info.validated_count : info.ram_count; }

    bool is_snp() const { return info.platform == Platform::sev_snp; }

    /// Whether further vCPUs wait to be taken to the AP jump table, which igvmtool has placed then.
    /// An SEV-SNP guest's kernel makes its own, and a native one's sends them SIPI.
    bool has_jump_table() const {
        return info.platform == Platform::sev_es && info.ap_mailbox != 0 && info.vcpus > 1;
    }

    [[noreturn]] void enter(u64 entry) const;

    const boot::BootInfo& info;
};

void Loader::fail(ghcb::Reason reason) const {
    if (info.platform != Platform::native) {
        ghcb::msr_protocol::terminate<x86::Cpu>(reason);
    }
    x86::Cpu::out8(boot::port::debug_exit, static_cast<u8>(0x80 | reason.code));
    x86::Cpu::halt();
}

void Loader::require(bool right, ghcb::Reason reason) const {
    if (!right) {
        fail(reason);
    }
}

/// igvmtool says in the command line where the table is.
const fw_cfg::HashTable* Loader::hashes() const {
    if (info.platform == Platform::native) {
        return nullptr;
    }
    u64 address = 0;
    for (u64 n = 0; n < info.command_line_size; ++n) {
        const char digit = reinterpret_cast<const char*>(info.command_line)[n];
        address          = address * 10 + static_cast<u64>(digit - '0');
    }
    const auto* table = reinterpret_cast<const fw_cfg::HashTable*>(address);
    require(address != 0 && fw_cfg::is_hash_table(*table), ghcb::reason::direct_boot_no_hashes);
    return table;
}

/// Memory that this guest may use, and that is nobody's.
bool Loader::is_memory(u64 base, u64 size) const {
    const u64 end  = base + size;
    const u64 stub = info.image_base;
    if (end < base || base < info.payload_base + info.payload_size
        || (base < stub + x86::large_page_size && end > stub)) {
        return false;
    }
    for (u64 n = 0; n < memory_count(); ++n) {
        if (base >= memory()[n].base && end <= memory()[n].base + memory()[n].size) {
            return true;
        }
    }
    return false;
}

/// Of what lies below `limit`, which is 4 GiB at most: all that is mapped.
u64 Loader::memory_end(u64 limit) const {
    u64 last = 0;
    for (u64 n = 0; n < memory_count() && memory()[n].base < limit; ++n) {
        last = memory()[n].base + memory()[n].size;
    }
    return last < limit ? last : limit;
}

void Loader::add_range(u64 base, u64 end, MemoryType type) const {
    if (base < end && range_count < most_ranges) {
        ranges[range_count++] = {.base = base, .size = end - base, .type = type, .reserved = 0};
    }
}

/// What the stub has stays its own, and is no memory to Linux but for what it reads there: ACPI's
/// tables, and in an SEV-SNP guest more (igvm/image/guest_placement.cpp, Placement::in_use).
void Loader::add_memory(u64 base, u64 end) const {
    const u64 region     = info.image_base;
    const u64 region_end = region + x86::large_page_size;
    const auto least     = [](u64 one, u64 other) { return one < other ? one : other; };
    const auto most      = [](u64 one, u64 other) { return one > other ? one : other; };
    const u64 stub       = most(base, region);
    const u64 stub_end   = least(end, region_end);
    if (stub >= stub_end) {
        add_range(base, end, MemoryType::ram);
        return;
    }
    add_range(base, stub, MemoryType::ram);
    if (is_snp() || info.rsdp == 0) {
        add_range(stub, stub_end, is_snp() ? MemoryType::acpi : MemoryType::reserved);
    } else {
        add_range(stub, info.rsdp, MemoryType::reserved);
        add_range(info.rsdp, info.rsdp + page_size, MemoryType::acpi);
        add_range(info.rsdp + page_size, stub_end, MemoryType::reserved);
    }
    add_range(stub_end, end, MemoryType::ram);
}

void Loader::make_memory_map() const {
    for (u64 n = 0; n < memory_count(); ++n) {
        const u64 base = memory()[n].base;
        const u64 end  = base + memory()[n].size;
        // Without what stands in for a PC's ROMs.
        const u64 low_end = has_jump_table() ? jump_table::page_gpa : kernel::low_memory_end;
        add_memory(base, end < low_end ? end : base < low_end ? low_end : base);
        add_memory(base > kernel::high_memory_start ? base : kernel::high_memory_start, end);
    }
}

/// Linux looks there for tables of a PC's firmware (boot/hand_over/accept_memory.cpp).
void clear_rom() {
    for (u64 at = 0xC'0000; at != 0x10'0000; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
}

/// With further vCPUs an SEV-ES guest's way leads past the AP jump table, which takes them there.
void Loader::enter(u64 entry) const {
    const u64 zero_page_gpa = reinterpret_cast<u64>(&zero_page[0]);
    if (!has_jump_table()) {
        enter_linux(entry, zero_page_gpa);
    }
    auto* const record = reinterpret_cast<jump_table::LinuxRecord*>(jump_table::page_gpa);
    record->entry      = static_cast<u32>(entry); // below 4 GiB, as all memory that it may have
    record->zero_page  = static_cast<u32>(zero_page_gpa);
    using Way          = void (*)(const boot::BootInfo*);
    reinterpret_cast<Way>(jump_table::page_gpa + jump_table::linux_entry)(&info);
    __builtin_unreachable();
}

void Loader::run() {
    namespace reason = ghcb::reason;
    using fw_cfg::Item;
    require(fw_cfg::is_there(), reason::direct_boot_no_kernel);
    const fw_cfg::HashTable* const table = hashes();

    // SECURITY: sizes are the hypervisor's. Each is held against the memory that there is before
    // anything is read, and what is read is hashed with it.
    const u64 setup_size  = fw_cfg::read_number(Item::setup_size);
    const u64 kernel_size = fw_cfg::read_number(Item::kernel_size);
    const u64 initrd_size = fw_cfg::read_number(Item::initrd_size);
    const u64 line_size   = fw_cfg::read_number(Item::command_line_size);
    require(kernel_size != 0 && setup_size != 0, reason::direct_boot_no_kernel);
    require(setup_size <= most_setup && line_size < most_command_line, reason::direct_boot_kernel);
    fw_cfg::read(Item::setup, setup, setup_size);
    const kernel::Bytes file{setup, setup_size + kernel_size};
    kernel::LinuxKernel linux{};
    require(setup_size >= page_size / 4 && kernel::is_bzimage(file)
                && !kernel::read_bzimage(file, linux).is_there() && linux.offset == setup_size,
            reason::direct_boot_kernel);
    require(kernel_size <= linux.memory_size
                && is_memory(linux.preferred_address, linux.memory_size),
            reason::direct_boot_memory);
    const u64 behind = linux.preferred_address + linux.memory_size;
    const u64 whole  = (initrd_size + page_size - 1) & ~(page_size - 1);
    const u64 limit  = memory_end(linux.initrd_limit + 1);
    const u64 initrd = whole <= limit ? (limit - whole) & ~(page_size - 1) : 0;
    require(initrd_size == 0 || (initrd >= behind && is_memory(initrd, whole)),
            reason::direct_boot_memory);

    auto* const kernel_at = reinterpret_cast<u8*>(linux.preferred_address);
    auto* const initrd_at = reinterpret_cast<u8*>(initrd);
    fw_cfg::read(Item::kernel, kernel_at, kernel_size);
    fw_cfg::read(Item::initrd, initrd_at, initrd_size);
    fw_cfg::read(Item::command_line, command_line, line_size);
    if (table != nullptr) {
        crypto::Sha256 of_kernel;
        of_kernel.add(setup, setup_size);
        of_kernel.add(kernel_at, kernel_size);
        crypto::Sha256 of_initrd;
        of_initrd.add(initrd_at, initrd_size);
        crypto::Sha256 of_line;
        of_line.add(reinterpret_cast<const u8*>(command_line), line_size);
        require(fw_cfg::is_right(table->kernel, of_kernel)
                    && fw_cfg::is_right(table->initrd, of_initrd)
                    && fw_cfg::is_right(table->command_line, of_line),
                reason::direct_boot_hash);
    }

    kernel::LinuxTold told{.command_line = reinterpret_cast<u64>(&command_line[0]),
                           .initrd       = initrd_size != 0 ? initrd : 0,
                           .initrd_size  = initrd_size,
                           .rsdp         = info.rsdp,
                           .confidential = {},
                           .efi          = {}};
    if (is_snp()) {
        told.confidential = {.secrets_page = info.secrets_page, .cpuid_page = info.cpuid_page};
        clear_rom();
    }
    kernel::make_zero_page(linux, reinterpret_cast<u64>(&zero_page[0]), told, zero_page);
    make_memory_map();
    kernel::add_memory_map(ranges, range_count, zero_page);
    enter(linux.preferred_address + kernel::entry64_offset);
}

} // namespace

void payload_start(const boot::BootInfo& info) { Loader(info).run(); }
