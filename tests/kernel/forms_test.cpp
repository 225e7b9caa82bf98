// SPDX-License-Identifier: BSD-2-Clause-Patent
// By which bytes a payload's form is known, which protocols each form has, and what a unified
// kernel image may carry: whatever is wrong with one is said, with its place.
#include "kernel/form.h"
#include "kernel/uki.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::kernel {
namespace {

std::string words(const Fault& fault) {
    return {fault.expected.data, fault.expected.data + fault.expected.size};
}

Bytes bytes_of(const std::vector<u8>& file) { return {file.data(), file.size()}; }

constexpr u64 pe_at      = 0x80;
constexpr u64 machine_at = pe_at + 4;
constexpr u64 count_at   = pe_at + 6;
constexpr u64 table_at   = pe_at + 24 + 0x70;
constexpr u64 data_at    = 0x400;

/// A PE file whose sections follow each other from 0x400 on.
class Pe {
  public:
    Pe() : file_(data_at) {
        store(0, u16{0x5A4D});
        store(0x3C, static_cast<u32>(pe_at));
        store(pe_at, u32{0x4550});
        store(machine_at, u16{0x8664});
        store(pe_at + 20, u16{0x70});
    }

    Pe& add(const char* name, std::string_view content) {
        const u64 header = table_at + u64{40} * count_++;
        std::memcpy(&file_[header], name, std::strlen(name));
        store(header + 8, static_cast<u32>(content.size()));
        store(header + 16, static_cast<u32>(content.size()));
        store(header + 20, static_cast<u32>(file_.size()));
        file_.insert(file_.end(), content.begin(), content.end());
        store(count_at, count_);
        return *this;
    }

    template <class T>
    Pe& store(u64 at, T value) {
        std::memcpy(&file_[at], &value, sizeof(value));
        return *this;
    }

    [[nodiscard]] const std::vector<u8>& file() const { return file_; }

  private:
    std::vector<u8> file_;
    u16 count_ = 0;
};

Pe good() {
    return Pe()
        .add(".text", "code")
        .add(".linux", "kernel")
        .add(".initrd", "files")
        .add(".cmdline", "quiet");
}

std::string text(Bytes bytes) {
    return bytes.size == 0 ? std::string{} : std::string(bytes.data, bytes.data + bytes.size);
}

std::string refusal(const Pe& pe) {
    Uki uki;
    EXPECT_TRUE(is_pe(bytes_of(pe.file())));
    return words(read_uki(bytes_of(pe.file()), uki));
}

TEST(KernelForms, KnownByTheirBytes) {
    std::vector<u8> file(0x1000);
    EXPECT_EQ(form_of({}), Form::flat);
    EXPECT_EQ(form_of(bytes_of(file)), Form::flat);
    EXPECT_EQ(form_of(bytes_of(good().file())), Form::uki);
    std::memcpy(file.data(), "\177ELF", 4);
    EXPECT_EQ(form_of(bytes_of(file)), Form::elf64);
    EXPECT_EQ(form_of({file.data(), 3}), Form::flat);
    // A bzImage with an EFI stub is a PE as well.
    file                      = good().file();
    const u16 boot_flag       = 0xAA55;
    const u32 setup_signature = 0x5372'6448;
    std::memcpy(&file[0x1FE], &boot_flag, sizeof(boot_flag));
    std::memcpy(&file[0x202], &setup_signature, sizeof(setup_signature));
    EXPECT_EQ(form_of(bytes_of(file)), Form::bzimage);
}

TEST(KernelForms, PeHeadersThatAreNone) {
    EXPECT_FALSE(is_pe(bytes_of(Pe().store(0, u16{0x5A4C}).file())));
    EXPECT_FALSE(is_pe(bytes_of(Pe().store(pe_at, u32{0x4551}).file())));
    for (const u32 at : {u32{0x3E9}, u32{0x400}, ~u32{0}}) {
        EXPECT_FALSE(is_pe(bytes_of(Pe().store(0x3C, at).file()))) << at;
    }
    EXPECT_FALSE(is_pe({Pe().file().data(), 0x3F}));
}

TEST(KernelForms, Protocols) {
    using enum Form;
    using enum Protocol;

    struct Row {
        Form form;
        Protocol wanted;
        bool note;
        const char* refusal;
        Protocol chosen;
    };

    const char* no_boot_info = "a payload that takes boot info: an ELF64 or a flat binary";
    const char* no_linux     = "a Linux kernel: a bzImage, a UKI, or an ELF64 (vmlinux)";
    const char* no_pvh       = "a PVH kernel: an ELF64 with a PVH note";
    const Row rows[]         = {
        {elf64,   automatic, false, "",           boot_info},
        {elf64,   automatic, true,  "",           pvh      },
        {elf64,   boot_info, true,  "",           boot_info},
        {elf64,   pvh,       true,  "",           pvh      },
        {elf64,   pvh,       false, no_pvh,       automatic},
        {elf64,   linux64,   true,  "",           linux64  },
        {bzimage, automatic, false, "",           linux64  },
        {bzimage, linux64,   false, "",           linux64  },
        {bzimage, boot_info, false, no_boot_info, automatic},
        {bzimage, pvh,       false, no_pvh,       automatic},
        {uki,     automatic, false, "",           linux64  },
        {uki,     linux64,   false, "",           linux64  },
        {uki,     boot_info, false, no_boot_info, automatic},
        {uki,     pvh,       false, no_pvh,       automatic},
        {flat,    automatic, false, "",           boot_info},
        {flat,    boot_info, false, "",           boot_info},
        {flat,    linux64,   false, no_linux,     automatic},
        {flat,    pvh,       false, no_pvh,       automatic},
    };
    for (const Row& row : rows) {
        Protocol chosen = automatic;
        EXPECT_EQ(words(choose(row.form, row.wanted, row.note, 0, chosen)), row.refusal);
        EXPECT_EQ(chosen, row.chosen);
    }
}

TEST(KernelForms, UkiCarries) {
    Uki uki;
    const Pe pe = good();
    ASSERT_EQ(words(read_uki(bytes_of(pe.file()), uki)), "");
    EXPECT_EQ(text(uki.linux), "kernel");
    EXPECT_EQ(text(uki.initrd), "files");
    EXPECT_EQ(text(uki.command_line), "quiet");
    // Names longer than those, and of what is no guest's.
    const Pe alone =
        Pe().add(".linuxes", "a").add(".ucode", "b").add(".dtb", "c").add(".linux", "d");
    ASSERT_EQ(words(read_uki(bytes_of(alone.file()), uki)), "");
    EXPECT_EQ(text(uki.linux), "d");
    EXPECT_EQ(uki.initrd.size, 0u);
    EXPECT_EQ(uki.command_line.size, 0u);
    // The end of a line is none of it.
    const Pe line = Pe().add(".linux", "d").add(".cmdline", std::string_view("a b \r\n\0", 7));
    ASSERT_EQ(words(read_uki(bytes_of(line.file()), uki)), "");
    EXPECT_EQ(text(uki.command_line), "a b");
    // The profile that comes first.
    const Pe profiles = good().add(".profile", "ID=other").add(".cmdline", "debug");
    ASSERT_EQ(words(read_uki(bytes_of(profiles.file()), uki)), "");
    EXPECT_EQ(text(uki.command_line), "quiet");
}

TEST(KernelForms, DamagedUki) {
    const char* outside = "a section whose data is within the file";
    EXPECT_EQ(refusal(good().store(machine_at, u16{0x14C})), "a PE file for x86-64");
    EXPECT_EQ(refusal(good().store(count_at, u16{0xFFFF})), "a table of sections within the file");
    EXPECT_EQ(refusal(good().store(pe_at + 20, u16{0xFFFF})),
              "a table of sections within the file");
    EXPECT_EQ(refusal(good().store(count_at, u16{1})),
              "a section .linux, as unified kernel images have it");
    EXPECT_EQ(refusal(Pe().add(".linux", "")),
              "a section .linux, as unified kernel images have it");
    EXPECT_EQ(refusal(good().add(".linux", "a")), "one section .linux");
    EXPECT_EQ(refusal(good().add(".initrd", "a")), "at most one section .initrd");
    EXPECT_EQ(refusal(good().add(".cmdline", "a")), "at most one section .cmdline");
    const u64 linux_header = table_at + 40;
    EXPECT_EQ(refusal(good().store(linux_header + 8, u32{7})), outside) << "more than raw data";
    EXPECT_EQ(refusal(good().store(linux_header + 20, u32{0x1000})), outside);
    EXPECT_EQ(refusal(good().store(linux_header + 20, ~u32{0})), outside);
    EXPECT_EQ(refusal(good().store(linux_header + 8, ~u32{0}).store(linux_header + 16, ~u32{0})),
              outside);
}

/// Whatever a file says, its parts are in it.
TEST(KernelForms, UkiDamagedAnywhere) {
    const std::vector<u8> whole = good().file();
    std::mt19937 random(1);
    unsigned taken = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::vector<u8> file = whole;
        for (unsigned n = 1 + random() % 3; n != 0; --n) {
            file[random() % file.size()] = static_cast<u8>(random());
        }
        if (random() % 4 == 0) {
            file.resize(random() % file.size());
        }
        if (!is_pe(bytes_of(file))) {
            continue;
        }
        Uki uki;
        if (read_uki(bytes_of(file), uki).is_there()) {
            continue;
        }
        ++taken;
        for (const Bytes part : {uki.linux, uki.initrd, uki.command_line}) {
            if (part.data != nullptr) {
                EXPECT_TRUE(
                    bytes_of(file).hold(static_cast<u64>(part.data - file.data()), part.size));
            }
        }
    }
    EXPECT_GT(taken, 1000u);
}

} // namespace
} // namespace vestibule::kernel
