// SPDX-License-Identifier: BSD-2-Clause-Patent
// gdb's side of the host command: packets, memory by linear address in each paging mode, and the
// requests that are answered in QEMU's place. The machine is played.
#include "sevsim/gdb_memory.h"
#include "sevsim/gdb_packets.h"
#include "sevsim/gdb_proxy.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace vestibule::sevsim {
namespace {

using Kind = GdbItem::Kind;

TEST(GdbPackets, ComeInAnyPieces) {
    const std::string text = "+$m10,4#2e\x03-$OK#9a$OK#00";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        GdbReader reader;
        auto items      = reader.take(std::string_view{text}.substr(0, cut));
        const auto rest = reader.take(std::string_view{text}.substr(cut));
        items.insert(items.end(), rest.begin(), rest.end());
        ASSERT_EQ(items.size(), 6u) << cut;
        EXPECT_EQ(items[0].kind, Kind::acknowledgement);
        EXPECT_EQ(items[1].kind, Kind::packet);
        EXPECT_EQ(items[1].body, "m10,4");
        EXPECT_EQ(items[2].kind, Kind::interrupt);
        EXPECT_EQ(items[3].kind, Kind::again);
        EXPECT_EQ(items[4].body, "OK");
        EXPECT_EQ(items[5].kind, Kind::damaged);
    }
}

TEST(GdbPackets, HaveSumsAndEscapes) {
    EXPECT_EQ(gdb_packet("OK"), "$OK#9a");
    EXPECT_EQ(gdb_packet(""), "$#00");
    EXPECT_EQ(gdb_unescape("a}\x03"
                           "b}"),
              "a#b}");
}

TEST(GdbPackets, HaveNumbersAndBytes) {
    std::string_view text = "fffffffff,2";
    EXPECT_EQ(gdb_number(text), 0xF'FFFF'FFFF);
    EXPECT_EQ(text, ",2");
    EXPECT_EQ(gdb_number(text), std::nullopt);
    std::string_view too_long = "12345678123456781";
    EXPECT_EQ(gdb_number(too_long), std::nullopt);
    EXPECT_EQ(gdb_bytes("0aFf"), (std::vector<u8>{0x0A, 0xFF}));
    EXPECT_EQ(gdb_bytes("0"), std::nullopt);
    EXPECT_EQ(gdb_bytes("0g"), std::nullopt);
    EXPECT_EQ(gdb_hex(std::vector<u8>{0x0A, 0xFF}), "0aff");
}

constexpr u64 c_bit        = bit(47);
constexpr u64 private_root = 0x1'0000'1000; // of the nested tables, in the monitor's memory
constexpr u64 shared_root  = 0x1'0000'2000;
constexpr u64 monitor_at   = 0x1'0000'0000;
constexpr u64 monitor_size = 0x400'0000;
constexpr u64 private_at   = monitor_at + monitor_size;

/// A machine of words, in which the guest's memory is as the nested tables below say.
class Machine {
  public:
    std::map<u64, u64> words;

    Machine() {
        u64 next = 0x1'0000'3000;
        for (const u64 root : {private_root, shared_root}) {
            const u64 base       = root == private_root ? private_at : 0;
            words[root]          = next | 7;                  // level 4, entry 0
            words[next]          = (next + 0x1000) | 7;       // level 3
            words[next + 0x1000] = (next + 0x2000) | 7;       // level 2: the first 2 MiB by pages,
            words[next + 0x1008] = (base + 0x20'0000) | 0x87; // the second as one
            for (u64 page = 0; page < 512; ++page) {
                words[next + 0x2000 + page * 8] = (base + page * page_size) | 7;
            }
            leaf[root == shared_root ? 1 : 0] = next + 0x2000;
            next += 0x3000;
        }
    }

    /// Takes a page of the first 2 MiB out of a view.
    void drop(bool shared, u64 gpa) { words[leaf[shared ? 1 : 0] + gpa / page_size * 8] = bit(9); }

    MachineMemory memory() {
        return {.read =
                    [this](u64 address, std::span<u8> to) {
                        for (u64 n = 0; n < to.size(); ++n) {
                            const u64 at = address + n;
                            to[n]        = static_cast<u8>(word(at & ~u64{7}) >> (8 * (at & 7)));
                        }
                        return true;
                    },
                .write =
                    [this](u64 address, std::span<const u8> from) {
                        for (u64 n = 0; n < from.size(); ++n) {
                            const u64 at       = address + n;
                            const unsigned low = 8 * static_cast<unsigned>(at & 7);
                            u64& word          = words[at & ~u64{7}];
                            word = (word & ~(u64{0xFF} << low)) | (u64{from[n]} << low);
                        }
                        return true;
                    }};
    }

    /// A 32-bit entry of the guest's own tables.
    void put32(u64 gpa, u32 value) {
        const u8* bytes = reinterpret_cast<const u8*>(&value);
        memory().write(private_at + gpa, {bytes, sizeof value});
    }

    void put64(u64 gpa, u64 value) { words[private_at + gpa] = value; }

  private:
    u64 word(u64 at) const {
        const auto found = words.find(at);
        return found == words.end() ? 0 : found->second;
    }

    u64 leaf[2]{};
};

constexpr DebuggerView view{.ready          = DebuggerView::ready_magic,
                            .is_encrypted   = 1,
                            .c_bit_position = 47,
                            .monitor        = monitor_at,
                            .monitor_size   = monitor_size,
                            .five_levels    = 0,
                            .private_root   = private_root,
                            .shared_root    = shared_root,
                            .vmrun          = 0xFFFF'FFFF'8000'0123};

std::optional<u64> found(Machine& machine, const PagingState& paging, u64 linear) {
    const auto address = find_linear(view, paging, linear, machine.memory());
    return address ? std::optional{address->address} : std::nullopt;
}

TEST(GdbMemory, IsPrivateWithoutPaging) {
    Machine machine;
    constexpr PagingState real{};
    EXPECT_EQ(found(machine, real, 0x7123), private_at + 0x7123);
    EXPECT_EQ(found(machine, real, 0x1'0000'7123), private_at + 0x7123); // 32 bits count
    EXPECT_EQ(found(machine, real, 0x20'0008), private_at + 0x20'0008);
    machine.drop(false, 0x7000);
    EXPECT_EQ(found(machine, real, 0x7123), std::nullopt);
}

TEST(GdbMemory, FollowsLegacyTables) {
    Machine machine;
    constexpr u64 on = x86::cr0::pg | x86::cr0::pe;
    machine.put32(0x5000, 0x6001);     // a table
    machine.put32(0x5004, 0x0083);     // 4 MiB, where CR4.PSE
    machine.put32(0x6000 + 4, 0x9001); // linear 0x1000
    const PagingState plain{.cr0 = on, .cr3 = 0x5000, .cr4 = 0, .efer = 0};
    EXPECT_EQ(found(machine, plain, 0x1010), private_at + 0x9010);
    EXPECT_EQ(found(machine, plain, 0x2010), std::nullopt);
    PagingState large = plain;
    large.cr4         = x86::cr4::pse;
    EXPECT_EQ(found(machine, large, 0x40'7010), private_at + 0x7010);
    EXPECT_EQ(found(machine, plain, 0x40'7010), std::nullopt); // a table at 0, and nothing in it

    machine.put64(0x5020, 0x6001); // PAE: pointers lie at 32 bytes
    machine.put64(0x6000 + 2 * 8, 0x0083);
    const PagingState pae{.cr0 = on, .cr3 = 0x5020, .cr4 = x86::cr4::pae, .efer = 0};
    EXPECT_EQ(found(machine, pae, 0x40'7010), private_at + 0x7010);
    EXPECT_EQ(found(machine, pae, 0x20'7010), std::nullopt);
}

/// 4-level tables: linear 0x1000 is private, 0x2000 the same page shared.
PagingState long_mode(Machine& machine) {
    machine.put64(0x5000, 0x6003 | c_bit);
    machine.put64(0x6000, 0x8003); // a table is private, whatever the entry says
    machine.put64(0x8000, 0xA003 | c_bit);
    machine.put64(0xA008, 0x9003 | c_bit);
    machine.put64(0xA010, 0x9003);
    machine.put64(0xA018, 0xB000'0003); // a device
    return {.cr0  = x86::cr0::pg | x86::cr0::pe,
            .cr3  = 0x5000 | c_bit,
            .cr4  = x86::cr4::pae,
            .efer = x86::efer::lme | x86::efer::lma};
}

TEST(GdbMemory, GoesByTheCBitInLongMode) {
    Machine machine;
    const PagingState paging = long_mode(machine);
    EXPECT_EQ(found(machine, paging, 0x1010), private_at + 0x9010);
    EXPECT_EQ(found(machine, paging, 0x2010), 0x9010u);
    EXPECT_EQ(found(machine, paging, 0x3010), 0xB000'0010u);
    EXPECT_EQ(found(machine, paging, 0x4010), std::nullopt);
    PagingState without = paging;
    without.cr3 &= ~c_bit;
    EXPECT_EQ(found(machine, without, 0x1010), private_at + 0x9010);
    machine.drop(false, 0x9000); // written through the other view
    EXPECT_EQ(found(machine, paging, 0x1010), std::nullopt);
    machine.drop(true, 0x9000); // not looked at yet: what devices see
    EXPECT_EQ(found(machine, paging, 0x2010), 0x9010u);
}

TEST(GdbMemory, IsReadAsFarAsItGoes) {
    Machine machine;
    const PagingState paging           = long_mode(machine);
    machine.words[0x9FF8]              = 0x1122'3344'5566'7788;
    machine.words[private_at + 0x9000] = 0x99;
    machine.words[private_at + 0x9FF8] = 0xAABB'CCDD'EEFF'0011;
    std::vector<u8> bytes(12);
    EXPECT_EQ(read_linear(view, paging, 0x1FFC, bytes, machine.memory()), 12u);
    EXPECT_EQ(bytes[3], 0xAA);
    EXPECT_EQ(read_linear(view, paging, 0x3FFC, bytes, machine.memory()), 4u);
    EXPECT_EQ(read_linear(view, paging, 0x4000, bytes, machine.memory()), 0u);
    EXPECT_FALSE(write_linear(view, paging, 0x4000, bytes, machine.memory()));
    const u8 two[] = {0x12, 0x34};
    EXPECT_TRUE(write_linear(view, paging, 0x1FFF, two, machine.memory()));
    EXPECT_EQ(machine.words[private_at + 0x9FF8] >> 56, 0x12u);
    EXPECT_EQ(machine.words[0x9000] & 0xFF, 0x34u);
}

TEST(GdbMemory, KnowsTheMonitor) {
    Machine machine;
    PagingState paging = long_mode(machine);
    EXPECT_FALSE(is_in_monitor(view, paging));
    paging.cr3 = monitor_at + 0x5000;
    EXPECT_TRUE(is_in_monitor(view, paging));
    EXPECT_FALSE(is_in_monitor(view, PagingState{}));
    EXPECT_TRUE(is_in_monitor(DebuggerView{}, PagingState{})); // nothing is set up yet
}

/// QEMU's stub over a machine: registers by a description in two files, and memory as it is asked
/// for.
class Qemu {
  public:
    Machine machine;
    PagingState paging = long_mode(machine);
    bool physical      = false;
    std::vector<std::string> asked;

    Qemu() {
        const u8* bytes = reinterpret_cast<const u8*>(&view);
        machine.memory().write(monitor_at, {bytes, sizeof view});
    }

    std::optional<std::string> answer(std::string_view request) {
        asked.emplace_back(request);
        if (request.starts_with("Qqemu.PhyMemMode:")) {
            physical = request.ends_with('1');
            return "OK";
        }
        constexpr std::string_view read = "qXfer:features:read:";
        if (request.starts_with(read)) {
            return description(request.substr(read.size()));
        }
        const char kind = request.front();
        request.remove_prefix(1);
        const u64 number = gdb_number(request).value_or(0);
        if (kind == 'p') {
            const std::map<u64, u64> values = {
                {1,  paging.cr0 },
                {2,  paging.cr3 },
                {9,  paging.cr4 },
                {10, paging.efer}
            };
            const auto value = values.find(number);
            return value == values.end() ? "E14" : words_of(value->second);
        }
        request.remove_prefix(1);
        const u64 size = gdb_number(request).value_or(0);
        if (!physical || size > 1024) {
            return "E14"; // by its own translation it finds nothing
        }
        std::vector<u8> bytes(size);
        if (kind == 'm') {
            machine.memory().read(number, bytes);
            return gdb_hex(bytes);
        }
        machine.memory().write(number, gdb_bytes(request.substr(1)).value_or(bytes));
        return "OK";
    }

  private:
    static std::string words_of(u64 value) {
        return gdb_hex({reinterpret_cast<const u8*>(&value), sizeof value});
    }

    static std::string description(std::string_view file) {
        if (file.starts_with("target.xml:0,")) {
            return "m<target><!-- <reg name=\"cr0\"/> --><xi:include href=\"core.xml\"/>";
        }
        if (file.starts_with("target.xml:")) {
            return "l</target>";
        }
        return "l<reg name=\"rax\"/><reg name=\"cr0\" bitsize=\"64\"/><reg name=\"cr3\"/>"
               "<reg name=\"cr4\" regnum=\"9\"/><reg name=\"efer\"/>";
    }
};

TEST(GdbProxy, AnswersForMemoryAndForNothingElse) {
    Qemu qemu;
    qemu.machine.words[private_at + 0x9010] = 0x1122'3344'5566'7788;
    GdbProxy proxy{[&](std::string_view request) { return qemu.answer(request); }, monitor_at};
    EXPECT_EQ(proxy.answer("g"), std::nullopt);
    EXPECT_EQ(proxy.answer("vCont;c"), std::nullopt);
    EXPECT_EQ(proxy.answer("Z0,1010,1"), std::nullopt);
    EXPECT_EQ(proxy.answer("m1010,8"), "8877665544332211");
    EXPECT_EQ(proxy.answer("m4010,8"), "E14");
    EXPECT_EQ(proxy.answer("mx,8"), "E22");
    EXPECT_EQ(proxy.answer("m1010"), "E22");
    EXPECT_EQ(proxy.answer("m1010,ffffffff"), "E22");
    EXPECT_EQ(proxy.answer("M1010,2:0102"), "OK");
    EXPECT_EQ(qemu.machine.words[private_at + 0x9010], 0x1122'3344'5566'0201u);
    EXPECT_EQ(proxy.answer("M1010,3:0102"), "E22");
    EXPECT_EQ(proxy.answer("M1010,2"), "E22");
    EXPECT_EQ(proxy.answer("M4010,1:00"), "E14");
    EXPECT_EQ(proxy.answer("X1010,0:"), "");
    EXPECT_EQ(proxy.place(), GdbProxy::Place::guest);
}

TEST(GdbProxy, ForgetsWhenTheMachineMoves) {
    Qemu qemu;
    GdbProxy proxy{[&](std::string_view request) { return qemu.answer(request); }, monitor_at};
    ASSERT_NE(proxy.answer("m1010,8"), "E14");
    const std::size_t before = qemu.asked.size();
    ASSERT_NE(proxy.answer("m1018,8"), "E14");
    EXPECT_EQ(qemu.asked.size(), before + 1); // tables and registers are known
    qemu.machine.put64(0xA008, 0);
    EXPECT_NE(proxy.answer("m1010,8"), "E14");
    EXPECT_EQ(proxy.answer("vCont;s:p1.1"), std::nullopt);
    EXPECT_EQ(proxy.answer("m1010,8"), "E14");
}

TEST(GdbProxy, LeavesPhysicalAddressesToQemu) {
    Qemu qemu;
    GdbProxy proxy{[&](std::string_view request) { return qemu.answer(request); }, monitor_at};
    ASSERT_NE(proxy.answer("m1010,8"), std::nullopt);
    EXPECT_TRUE(qemu.physical);
    EXPECT_EQ(proxy.answer("qqemu.PhyMemMode"), std::nullopt);
    EXPECT_FALSE(qemu.physical); // as gdb's user has left it
    EXPECT_EQ(proxy.answer("Qqemu.PhyMemMode:1"), std::nullopt);
    qemu.physical = true;
    EXPECT_EQ(proxy.answer("m1010,8"), std::nullopt);
    EXPECT_TRUE(qemu.physical);
}

TEST(GdbProxy, LeavesTheMonitorToQemu) {
    Qemu qemu;
    GdbProxy proxy{[&](std::string_view request) { return qemu.answer(request); }, monitor_at};
    qemu.paging.cr3 = monitor_at;
    EXPECT_EQ(proxy.answer("m1010,8"), std::nullopt);
    EXPECT_FALSE(qemu.physical);
    EXPECT_EQ(proxy.place(), GdbProxy::Place::monitor);
    EXPECT_EQ(proxy.vmrun(), view.vmrun);
}

} // namespace
} // namespace vestibule::sevsim
