// SPDX-License-Identifier: BSD-2-Clause-Patent
// The instructions that C++ cannot say, one named wrapper each. Code that should also run in a host
// unit test takes this class as a template parameter and is given a scripted one there.
#pragma once

#include "x86/descriptor.h"
#include "x86/msr.h"
#include "x86/types.h"

namespace vestibule::x86 {

struct CpuidResult {
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
};

/// What PVALIDATE and RMPADJUST say (APM volume 3): EAX, and for PVALIDATE whether it has changed
/// anything.
struct RmpResult {
    u32 code;
    bool unchanged = false; // CF: the page was in that state already

    static constexpr u32 success            = 0;
    static constexpr u32 fail_input         = 1;
    static constexpr u32 fail_permission    = 2;
    static constexpr u32 fail_in_use        = 3;
    static constexpr u32 fail_size_mismatch = 6;

    constexpr bool operator==(const RmpResult&) const = default;
};

/// The size of a page as these instructions take it in ECX.
enum class RmpPageSize : u8 { small = 0, large = 1 };

struct Cpu {
    /// Whether the handlers of vc/ are a kernel's, which has processes and a TSS, and registers of
    /// its own that a hypervisor would like to answer for. The boot stub has none of that, and
    /// every byte of it is measured; a kernel's is library::Cpu.
    static constexpr bool serves_kernel = false;

    static u64 rdmsr(Msr msr) {
        u32 low;
        u32 high;
        asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(static_cast<u32>(msr)));
        return from_halves(high, low);
    }

    static void wrmsr(Msr msr, u64 value) {
        asm volatile("wrmsr"
                     :
                     : "c"(static_cast<u32>(msr)), "a"(low_half(value)), "d"(high_half(value))
                     : "memory");
    }

    /// F3 0F 01 D9: hands the GHCB (or its MSR) to the hypervisor. By bytes, since assemblers know
    /// the mnemonic only lately.
    static void vmgexit() { asm volatile(".byte 0xF3, 0x0F, 0x01, 0xD9" : : : "memory"); }

    /// The same for a call through the GHCB page, which is there.
    static void vmgexit_with(volatile void*) { vmgexit(); }

    /// F2 0F 01 FF: sets or clears the validated state of the page at a linear address, which is
    /// mapped private. CPL 0 only; #UD unless SEV-SNP is on.
    static RmpResult pvalidate(u64 linear, RmpPageSize size, bool validate) {
        auto rax = static_cast<uintptr_t>(linear); // EAX in 32-bit code
        bool unchanged;
        asm volatile(".byte 0xF2, 0x0F, 0x01, 0xFF"
                     : "+a"(rax), "=@ccc"(unchanged)
                     : "c"(static_cast<u32>(size)), "d"(static_cast<u32>(validate))
                     : "memory");
        return {.code = static_cast<u32>(rax), .unchanged = unchanged};
    }

    /// F3 0F 01 FE: what a VMPL below the caller's may do with the page, and whether it is a VMSA.
    /// 64-bit code at CPL 0 only.
    static RmpResult rmpadjust(u64 linear, RmpPageSize size, u64 attributes) {
        auto rax = static_cast<uintptr_t>(linear);
        asm volatile(".byte 0xF3, 0x0F, 0x01, 0xFE"
                     : "+a"(rax)
                     : "c"(static_cast<uintptr_t>(size)), "d"(static_cast<uintptr_t>(attributes))
                     : "memory", "cc");
        return {.code = static_cast<u32>(rax)};
    }

    static CpuidResult cpuid(u32 leaf, u32 subleaf = 0) {
        CpuidResult result;
        asm volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
        return result;
    }

    /// Extended control register 0; #UD unless CR4.OSXSAVE is set.
    static u64 xcr0() {
        u32 low;
        u32 high;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return from_halves(high, low);
    }

    /// False where the generator had no value ready: the caller decides how often to ask again.
    static bool rdrand(u64& value) {
        bool ready;
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(ready));
        return ready;
    }

    static bool rdrand(u32& value) {
        bool ready;
        asm volatile("rdrand %0" : "=r"(value), "=@ccc"(ready));
        return ready;
    }

    static u64 cr0() {
        u64 value;
        asm volatile("mov %%cr0, %0" : "=r"(value));
        return value;
    }

    static u64 cr2() {
        u64 value;
        asm volatile("mov %%cr2, %0" : "=r"(value));
        return value;
    }

    static void set_cr2(u64 value) { asm volatile("mov %0, %%cr2" : : "r"(value)); }

    static u64 dr6() {
        u64 value;
        asm volatile("mov %%dr6, %0" : "=r"(value));
        return value;
    }

    static void set_dr6(u64 value) { asm volatile("mov %0, %%dr6" : : "r"(value)); }

    static u64 cr3() {
        u64 value;
        asm volatile("mov %%cr3, %0" : "=r"(value));
        return value;
    }

    /// Loads CR3, which also drops every TLB entry that is not global.
    static void set_cr3(u64 value) { asm volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }

    static u64 cr4() {
        u64 value;
        asm volatile("mov %%cr4, %0" : "=r"(value));
        return value;
    }

    /// Drops every TLB entry where one of the bits changes that paging goes by.
    static void set_cr4(u64 value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

    static u64 cr8() {
        u64 value;
        asm volatile("mov %%cr8, %0" : "=r"(value));
        return value;
    }

    /// What a segment register holds; numbered as in MOV from and to them: ES, CS, SS, DS, FS, GS.
    static u16 segment_selector(unsigned number) {
        u16 selector;
        switch (number) {
        case 0: asm volatile("mov %%es, %0" : "=r"(selector)); break;
        case 1: asm volatile("mov %%cs, %0" : "=r"(selector)); break;
        case 2: asm volatile("mov %%ss, %0" : "=r"(selector)); break;
        case 3: asm volatile("mov %%ds, %0" : "=r"(selector)); break;
        case 4: asm volatile("mov %%fs, %0" : "=r"(selector)); break;
        default: asm volatile("mov %%gs, %0" : "=r"(selector)); break;
        }
        return selector;
    }

    /// SMAP's exception, RFLAGS.AC (APM volume 2, section 5.6.6). Both are #UD on a CPU without
    /// SMAP.
    static void allow_user_access() { asm volatile("stac" : : : "memory", "cc"); }

    static void forbid_user_access() { asm volatile("clac" : : : "memory", "cc"); }

    /// Rights by protection key (APM volume 2, section 5.6.7); #UD unless CR4.PKE is set.
    static u32 pkru() {
        u32 value;
        asm volatile("rdpkru" : "=a"(value) : "c"(0) : "edx");
        return value;
    }

    static void set_pkru(u32 value) {
        asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
    }

    /// The descriptor behind a selector, read from the table it names; false where there is none.
    /// What the CPU holds may be older: a table can change after a segment was loaded.
    static bool read_descriptor(u16 selector, SegmentDescriptor& descriptor) {
        constexpr u16 from_ldt = 4;
        TableRegister table    = sgdt();
        if ((selector & from_ldt) != 0) {
            u16 ldt = 0;
            asm volatile("sldt %0" : "=r"(ldt));
            if (!read_system_segment(table, ldt, table)) {
                return false;
            }
        }
        return read_slot(table, selector, descriptor) && descriptor.is_present();
    }

    /// Where the current TSS is; false where there is none.
    static bool task_state(TableRegister& task) {
        u16 selector = 0;
        asm volatile("str %0" : "=r"(selector));
        return read_system_segment(sgdt(), selector, task);
    }

    static TableRegister sgdt() {
        TableRegister table{};
        asm volatile("sgdt %0" : "=m"(table));
        return table;
    }

    static void lgdt(const TableRegister& table) { asm volatile("lgdt %0" : : "m"(table)); }

    static void lidt(const TableRegister& table) { asm volatile("lidt %0" : : "m"(table)); }

    static TableRegister sidt() {
        TableRegister table{};
        asm volatile("sidt %0" : "+m"(table));
        return table;
    }

    static void flush_cache_line(const void* address) {
        asm volatile("clflush (%0)" : : "r"(address) : "memory");
    }

    /// Reads a byte for nothing but what that does to caches.
    static void touch(u64 linear) {
        (void)*reinterpret_cast<const volatile u8*>(static_cast<uintptr_t>(linear));
    }

    /// Forwards, 32 bits at a time: direction flag clear, as the ABI has it.
    static void copy_words(uintptr_t to, uintptr_t from, u32 count) {
        uintptr_t left = count;
        asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(left) : : "memory");
    }

    static void clear_words(uintptr_t to, u32 count) {
        uintptr_t left = count;
        asm volatile("rep stosl" : "+D"(to), "+c"(left) : "a"(0) : "memory");
    }

    static void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

    static u8 in8(u16 port) {
        u8 value;
        asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
        return value;
    }

    /// Bytes one after another, upwards.
    static void in8_string(u16 port, void* to, u64 count) {
        auto left = static_cast<uintptr_t>(count);
        asm volatile("rep insb" : "+D"(to), "+c"(left) : "d"(port) : "memory");
    }

    static void out16(u16 port, u16 value) {
        asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
    }

    static u16 in16(u16 port) {
        u16 value;
        asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
        return value;
    }

    static void out32(u16 port, u32 value) {
        asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
    }

    static u32 in32(u16 port) {
        u32 value;
        asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
        return value;
    }

    static u64 rdtsc() {
        u32 low;
        u32 high;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        return from_halves(high, low);
    }

    static void disable_interrupts() { asm volatile("cli" : : : "memory"); }

    /// Tells the processor that it spins (and QEMU to let another one run).
    static void pause() { asm volatile("pause"); }

    [[noreturn]] static void halt() {
        for (;;) {
            asm volatile("cli; hlt" : : : "memory");
        }
    }

  private:
    /// Base and limit of an LDT or a TSS, whose descriptors take two slots in long mode.
    static bool read_system_segment(const TableRegister& table, u16 selector,
                                    TableRegister& segment) {
        SegmentDescriptor low{};
        SegmentDescriptor high{};
        if (!read_slot(table, selector, low)
            || !read_slot(table, static_cast<u16>(selector + 8), high)) {
            return false;
        }
        segment = {.limit = static_cast<u16>(low.limit()),
                   .base  = from_halves(low_half(high.value), low.base())};
        return true;
    }

    /// Slot of a descriptor table; false for the null selector and beyond the limit.
    static bool read_slot(const TableRegister& table, u16 selector, SegmentDescriptor& descriptor) {
        const u64 offset = selector & ~u64{7};
        if (selector < 4 || offset + sizeof(SegmentDescriptor) - 1 > table.limit) {
            return false;
        }
        descriptor.value = *reinterpret_cast<const volatile u64*>(table.base + offset);
        return true;
    }
};

} // namespace vestibule::x86
