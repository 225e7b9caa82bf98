// SPDX-License-Identifier: BSD-2-Clause-Patent
// Wrong use of igvmtool, sevsim and sevlaunch, a row a command line: the exit status, the message,
// which begins with the program's name, and that no file has changed.
#include "tests/igvm/tool/fixture.h"

#include <filesystem>
#include <map>

namespace vestibule::igvm::test {

namespace {
namespace fs = std::filesystem;

struct Row {
    const char* command;
    int status;
    const char* message;
};

/// What the rows work on. $T, $S and $L are the programs.
constexpr const char* make_files = R"(
T=$IGVMTOOL
$T build --out guest.igvm --platform native,sev-es,sev-snp > /dev/null &&
$T build --out plain.igvm --platform native > /dev/null &&
$T build --out two.igvm --platform sev-es --vcpus 2 --cbit 47 > /dev/null &&
for k in id author other; do openssl ecparam -name secp384r1 -genkey -noout -out $k.pem 2>/dev/null; done &&
openssl pkey -in id.pem -pubout -out id.pub 2>/dev/null &&
openssl pkey -in id.pem -aes128 -passout pass:x -out locked.pem 2>/dev/null &&
ln -s id.pem link.pem && ln id.pem hard.pem && ln -s guest.igvm link.igvm && ln guest.igvm hard.igvm &&
head -c 5000 /dev/zero | tr '\0' '\364' > flat.bin && head -c 9000 /dev/zero > initrd.img && head -c 16 /dev/zero > vm_tik.bin &&
cp vm_tik.bin vm_tek.bin && head -c 100 guest.igvm > cut.igvm && : > empty && printf 'hello\n' > text &&
mkdir folder keys && cp id.pem keys/vcek.key && cp text keys/vcek.pem &&
{ head -c 514 /dev/zero; printf 'HdrS'; head -c 4000 /dev/zero; } > vmlinuz &&
{ head -c 40 /dev/zero; printf '_FVH'; head -c 4052 /dev/zero; } > vars.fd)";

class WrongInputs : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        std::string name = testing::TempDir() + "wrong.XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory = name;
        ASSERT_EQ(shell(make_files).status, 0) << read("errors");
    }

    static void TearDownTestSuite() { fs::remove_all(directory); }

    static std::string read(const std::string& name) {
        std::ifstream file(directory.string() + "." + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    static Outcome shell(const std::string& line) {
        const std::string out    = directory.string() + ".out";
        const std::string errors = directory.string() + ".errors";
        const std::string whole  = "cd " + directory.string()
                                  + " && export ASAN_OPTIONS=detect_leaks=0 IGVMTOOL=" IGVMTOOL
                                    " && { T=" IGVMTOOL "; S=" SEVSIM "; L=" SEVLAUNCH "; "
                                  + line + "\n} </dev/null >" + out + " 2>" + errors;
        // NOLINTNEXTLINE(bugprone-command-processor, cert-env33-c): a shell is what users have
        const int status = std::system(whole.c_str());
        return {.status = WEXITSTATUS(status), .out = read("out"), .errors = read("errors")};
    }

    /// Names with contents.
    static std::map<std::string, std::string> files() {
        std::map<std::string, std::string> all;
        for (const auto& entry : fs::recursive_directory_iterator(directory)) {
            if (entry.is_regular_file()) {
                std::ifstream file(entry.path(), std::ios::binary);
                all[entry.path()] = {std::istreambuf_iterator<char>(file), {}};
            } else {
                all[entry.path()] = entry.is_symlink() ? "link" : "folder";
            }
        }
        return all;
    }

    static void check(std::span<const Row> rows) {
        auto before = files();
        for (const Row& row : rows) {
            const std::string command = row.command;
            const Outcome outcome     = shell(command);
            EXPECT_EQ(outcome.status, row.status) << command << "\n" << outcome.errors;
            EXPECT_TRUE(contains(outcome.errors, row.message))
                << command << "\nexpected: " << row.message << "\nfound: " << outcome.errors;
            const std::string name = command.starts_with("$T")   ? "igvmtool: "
                                     : command.starts_with("$S") ? "sevsim: "
                                                                 : "sevlaunch: ";
            EXPECT_TRUE(outcome.errors.starts_with(name)) << command << "\n" << outcome.errors;
            EXPECT_FALSE(contains(outcome.errors, ".tmp")) << outcome.errors;
            if (row.status == 2) {
                EXPECT_TRUE(contains(outcome.errors, "\nTry: ")) << command << outcome.errors;
                EXPECT_EQ(outcome.out, "") << command;
            }
            EXPECT_TRUE(files() == before) << command << ": a file has changed";
            before = files();
        }
        count += rows.size();
    }

    static inline fs::path directory;
    static inline u64 count = 0;
};

constexpr const char* same = "is the same file as";

// clang-format off
/// Outputs that are inputs, or outputs (issue: a signing key was written over).
constexpr Row lost_files[] = {
    {"$T sign guest.igvm --id-key id.pem --out id.pem", 2, "--out id.pem: is the same file as --id-key id.pem, which is read"},
    {"$T sign guest.igvm --id-key id.pem --out link.pem", 2, same},
    {"$T sign guest.igvm --id-key id.pem --out hard.pem", 2, same},
    {"$T sign guest.igvm --id-key link.pem --out ./id.pem", 2, same},
    {"$T sign guest.igvm --id-key id.pem --author-key author.pem --out author.pem", 2, "--author-key author.pem"},
    {"$T sign guest.igvm --id-public-key id.pub --to-be-signed id.pub", 2, "--to-be-signed id.pub: is the same"},
    {"$T sign guest.igvm --id-public-key id.pub --to-be-signed guest.igvm", 2, "as guest.igvm, which is read"},
    {"$T sign guest.igvm --id-public-key id.pub --author-to-be-signed hard.igvm", 2, same},
    {"$T sign guest.igvm --id-public-key id.pub --to-be-signed a --author-to-be-signed ./a", 2, "which is written too"},
    {"$T sign guest.igvm --id-public-key id.pub --signature text --out text", 2, "--signature text"},
    {"$T build --payload flat.bin --out flat.bin", 2, "--payload flat.bin"},
    {"$T build --payload flat.bin --initrd initrd.img --out initrd.img", 2, "--initrd initrd.img"},
    {"$T build --payload flat.bin --out x --manifest flat.bin", 2, "--manifest flat.bin: is the same file as --payload"},
    {"$T build --payload flat.bin --out x --manifest ./x", 2, "which is written too"},
    {"$T build --payload flat.bin --out x --manifest folder/../x", 2, "which is written too"},
    {"$T build --stub text --out text", 2, "--stub text"},
    {"$T show guest.igvm --svg guest.igvm", 2, "--svg guest.igvm: is the same file as guest.igvm, which is read"},
    {"$T show guest.igvm --svg link.igvm", 2, same},
    {"$T show link.igvm --svg hard.igvm", 2, same},
    {"$T measure guest.igvm --dump-vmsa guest.igvm", 2, "--dump-vmsa guest.igvm"},
    {"$T measure guest.igvm --tik vm_tik.bin --nonce 00 --policy 5 --api 1.55.16 --dump-vmsa vm_tik.bin", 2, "--tik vm_tik.bin"},
    {"$T measure --firmware vars.fd --dump-vmsa vars.fd", 2, "--firmware vars.fd"},
    {"$S run guest.igvm --trace guest.igvm", 2, "--trace guest.igvm: is the same file as"},
    {"$S run guest.igvm --trace hard.igvm", 2, same},
    {"$S run guest.igvm --timeline link.igvm", 2, "--timeline link.igvm"},
    {"$S run guest.igvm --dump guest.igvm", 2, "--dump guest.igvm"},
    {"$S run guest.igvm --platform snp --rmp guest.igvm", 2, "--rmp guest.igvm"},
    {"$S run guest.igvm --tap guest.igvm", 2, "--tap guest.igvm"},
    {"$S run guest.igvm --junit guest.igvm", 2, "--junit guest.igvm"},
    {"$S run guest.igvm --trace x --timeline x", 2, "which is written too"},
    {"$S run guest.igvm --trace x --dump ./x", 2, "which is written too"},
    {"$S run guest.igvm --tap x --junit folder/../x", 2, "which is written too"},
    {"$S run --kernel vmlinuz --trace vmlinuz", 2, "--kernel vmlinuz"},
    {"$S run --kernel vmlinuz --initrd initrd.img --timeline initrd.img", 2, "--initrd initrd.img"},
    {"$S run --firmware vars.fd --trace vars.fd", 2, "--firmware vars.fd"},
    {"$S run guest.igvm --platform snp --root keys --dump keys/vcek.key", 2, "--root keys"},
    {"$L guest.igvm --trace guest.igvm --dry-run", 2, "--trace guest.igvm"},
    {"$L guest.igvm --serial guest.igvm --dry-run", 2, "--serial guest.igvm"},
    {"$L guest.igvm --serial x --trace x --dry-run", 2, "which is written too"},
    {"$L guest.igvm --session vm --trace vm_tik.bin --dry-run", 2, "--session vm_tik.bin"},
};

/// "-" where it is no file.
constexpr Row standard_streams[] = {
    {"$T build --out -", 2, "--out: found -, expected the name of a file"},
    {"$T build --out x --manifest -", 2, "--manifest: found -"},
    {"$T sign guest.igvm --id-key id.pem --out -", 2, "--out: found -"},
    {"$T measure guest.igvm --dump-vmsa -", 2, "--dump-vmsa: found -"},
    {"$T diff - -", 2, "right: found -, which left reads already"},
    {"$T show guest.igvm --json --svg -", 2, "--svg: found -, where --json goes"},
    {"$S run guest.igvm --trace -", 2, "--trace: found -"},
    {"$S run guest.igvm --timeline -", 2, "--timeline: found -"},
    {"$L guest.igvm --trace -", 2, "--trace: found -"},
};

constexpr const char* strict = "decimal and with no leading zero or hexadecimal behind 0x";

/// Numbers that were taken for others, or cut off.
constexpr Row numbers[] = {
    {"$T build --out x --platform sev-snp --policy 0x1ffffffffffff0000", 2, "--policy: found 0x1ffffffffffff0000, expected a number of 64 bits"},
    {"$T build --out x --platform sev-snp --policy=-1", 2, "--policy: found -1"},
    {"$T build --out x --platform sev-snp --policy 0200000", 2, strict},
    {"$T build --out x --platform sev-snp --sev-features 0x20", 2, "--sev-features: these are an SNP guest's: expected bit 0 set"},
    {"$T build --out x --platform sev-es --sev-features 0x21", 2, "--sev-features: these are an SNP guest's"},
    {"$T build --out x --platform sev-snp --policy 0x", 2, strict},
    {"$T build --out x --platform sev-snp --policy smt=maybe", 2, "smt: found maybe, expected on or off"},
    {"$T build --out x --platform sev-snp --policy abi=1.256", 2, "abi: found 1.256"},
    {"$T build --out x --platform sev-snp --policy smtt=off", 2, "found smtt=off, expected a number or some of"},
    {"$T build --out x --vcpus 010", 2, "--vcpus: found 010"},
    {"$T build --out x --vcpus 0", 2, "vCPU"},
    {"$T build --out x --vcpus=-1", 2, "--vcpus: found -1"},
    {"$T build --out x --smp 4294967297", 2, "--vcpus: found 4294967297"},
    {"$T build --out x --cbit 052", 2, "--cbit: found 052"},
    {"$T build --out x --cbit 4294967343", 2, "--cbit: found 4294967343"},
    {"$T build --out x --cbit fifty", 2, "--cbit: found fifty"},
    {"$T build --out x --base 0x1000000000000000000", 2, "--base: found"},
    {"$T build --out x --base=-2097152", 2, "--base: found -2097152"},
    {"$T build --out x --payload flat.bin --payload-address 1e6", 2, "--payload-address: found 1e6"},
    {"$T build --out x --payload flat.bin --memory 64MB", 2, "--memory: found 64MB, expected a size"},
    {"$T build --out x --payload flat.bin --memory 1025G", 2, "memory: found 0x10040000000 bytes, expected more than 1 MiB, up to 1 TiB"},
    {"$T build --out x --payload flat.bin --memory 5000001", 2, "memory: found 0x4c4b41 bytes"},
    {"$T build --out x --payload flat.bin --memory-below-4g 2G", 2, "--memory"},
    {"$T build --out x --memory 8G --memory-below-4g 2G", 2, "--payload"},
    {"$T build --out x --payload flat.bin --memory 8G --memory-below-4g 2GB", 2, "--memory-below-4g: found 2GB, expected a size"},
    {"$T build --out x --payload flat.bin --memory 8G --memory-below-4g=-2G", 2, "--memory-below-4g: found -2G"},
    {"$T build --out x --payload flat.bin --memory 2G --memory-below-4g 3G", 2, "memory below 4 GiB: found 0xc0000000 bytes"},
    {"$T build --out x --payload flat.bin --memory 8G --memory-below-4g 4G", 2, "no more than all of it, 0x200000000, and than 0xfec00000"},
    {"$T build --out x --payload flat.bin --memory 8G --memory-below-4g 1M", 2, "memory below 4 GiB: found 0x100000 bytes"},
    {"$T build --out x --payload flat.bin --memory 8G --memory-below-4g 2000000001", 2, "in whole pages"},
    {"$T build --out x --payload flat.bin --payload-address 0xE0000000 --memory 8G", 1, "a guest of 8192 MiB, of which 3072 lie below 4 GiB"},
    {"$T build --out x --payload flat.bin --accept some", 2, "--accept: found some, expected all or payload"},
    {"$T build --out x --accept payload", 2, "--payload"},
    {"$T build --out x --platform sev-snp --vmpl 4 --svsm guest.elf", 2, "VMPL: found 4, expected 0 to 3"},
    {"$T build --out x --platform sev-snp --vmpl 1", 2, "expected both --vmpl of 1 to 3 and --svsm, or neither"},
    {"$T build --out x --vmpl 1 --svsm guest.elf", 2, "only an SEV-SNP guest has a service at VMPL 0"},
    {"$T build --out x --payload flat.bin --memory=-64M", 2, "--memory: found -64M"},
    {"$T build --out x --payload flat.bin --memory 99999999999999G", 2, "--memory: found"},
    {"$T measure guest.igvm --vcpus 010", 2, "--vcpus: found 010, expected a number from 1 to 4096"},
    {"$T measure guest.igvm --vcpus +2", 2, "--vcpus: found +2"},
    {"$T measure guest.igvm --vcpus 0", 2, "--vcpus: found 0"},
    {"$T measure guest.igvm --vcpus 4097", 2, "--vcpus: found 4097"},
    {"$T measure guest.igvm --vcpus 1..", 2, "--vcpus: found 1.., expected a number"},
    {"$T measure guest.igvm --vcpus 4..1", 2, "--vcpus: found 4..1"},
    {"$T measure guest.igvm --vcpus 1..08", 2, "--vcpus: found 1..08"},
    {"$T measure guest.igvm --sev-features=-1", 2, "--sev-features: found -1"},
    {"$T measure guest.igvm --sev-features 0x10000000000000000", 2, "--sev-features: found"},
    {"$T measure guest.igvm --vcpu-type 0x1ffffffff", 2, "--vcpu-type: found 0x1ffffffff"},
    {"$T measure guest.igvm --vcpu-type EPYC-Mars", 2, "--vcpu-type: found EPYC-Mars"},
    {"$T measure guest.igvm --platform sev-es --tik vm_tik.bin --nonce 00112233445566778899aabbccddeeff --policy 05 --api 1.55.16", 2, "--policy: found 05"},
    {"$T measure guest.igvm --platform sev-es --tik vm_tik.bin --nonce 00112233445566778899aabbccddeeff --policy 0x100000005 --api 1.55.16", 2, "--policy: found 0x100000005"},
    {"$T measure guest.igvm --platform sev-es --tik vm_tik.bin --nonce 00112233445566778899aabbccddeeff --policy 5 --api 1.055.16", 2, "--api: found 1.055.16"},
    {"$T measure guest.igvm --platform sev-es --tik vm_tik.bin --nonce 00112233445566778899aabbccddeeff --policy 5 --api 1.55", 2, "--api: found 1.55"},
    {"$T sign guest.igvm --id-key id.pem --out x --guest-svn 4294967296", 2, "--guest-svn: found 4294967296"},
    {"$T sign guest.igvm --id-key id.pem --out x --guest-svn=-1", 2, "--guest-svn: found -1"},
    {"$T sign guest.igvm --id-key id.pem --out x --block-version 01", 2, "--block-version: found 01"},
    {"$T sign guest.igvm --id-key id.pem --out x --policy 0x1ffffffffffff0000", 2, "--policy: found"},
    {"$T sign guest.igvm --id-key id.pem --out x --family-id 00", 2, "--family-id"},
    {"$T explain guest.igvm --platform snp --expected 5f5e5d5c5b5a595857565554535251504f4e4d4c4b4a49484746454443424140", 2,
     "expected 96 hexadecimal digits for sev-snp; of SEV-ES it would be: --platform sev-es"},
    {"$T explain guest.igvm --platform sev-es --expected 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000", 2,
     "expected 64 hexadecimal digits for sev-es; of SEV-SNP it would be: --platform sev-snp"},
    {"$T explain guest.igvm --expected 00 --depth 4", 2, "--depth: found 4, expected a number from 1 to 3"},
    {"$T session --pdh text --name new --policy 05", 2, "--policy: found 05"},
    {"$S run guest.igvm --memory 17G", 2, "--memory: found 17G, expected a size from 32M to 16G"},
    {"$S run guest.igvm --memory 31M", 2, "--memory: found 31M"},
    {"$S run guest.igvm --memory 33M", 2, "multiple of 2M"},
    {"$S run guest.igvm --memory 064M", 2, "--memory: found 064M"},
    {"$S run guest.igvm --memory 64MB", 2, "--memory: found 64MB"},
    {"$S run guest.igvm --memory=-64M", 2, "--memory: found -64M"},
    {"$S run guest.igvm --cbit 050", 2, "--cbit"},
    {"$S run guest.igvm --cbit 50", 2, "--cbit"},
    {"$S run guest.igvm --smp 0", 2, "--vcpus: found 0, expected a number from 1 to 8"},
    {"$S run guest.igvm --smp 9", 2, "--vcpus: found 9"},
    {"$S run guest.igvm --vcpus 02", 2, "--vcpus: found 02"},
    {"$S run guest.igvm --timeout=-1", 2, "--timeout: found -1"},
    {"$S run guest.igvm --timeout 1.5", 2, "--timeout: found 1.5"},
    {"$S run guest.igvm --timeout 86401", 2, "--timeout: found 86401"},
    {"$S run guest.igvm --gdb 0", 2, "--gdb: found 0"},
    {"$S run guest.igvm --gdb 65536", 2, "--gdb: found 65536"},
    {"$S run guest.igvm --platform snp --report-version 4", 2, "--report-version"},
    {"$S run guest.igvm --platform snp --host-data 12", 2, "--host-data"},
    {"$L guest.igvm --dry-run --memory 512K", 2, "--memory: found 512K, expected a size from 1M to 1024G"},
    {"$L guest.igvm --dry-run --memory 0256M", 2, "--memory: found 0256M"},
    {"$L guest.igvm --dry-run --memory 5000001", 2, "multiple of 4096"},
    {"$L guest.igvm --dry-run --vcpus 0", 2, "--vcpus: found 0, expected a number from 1 to 255"},
    {"$L guest.igvm --dry-run --vcpus 256", 2, "--vcpus: found 256"},
    {"$L guest.igvm --dry-run --smp 010", 2, "--vcpus: found 010"},
    {"$L guest.igvm --dry-run --timeout 1h", 2, "--timeout: found 1h"},
};

/// Verbs, options and their values that there are not, or not together.
constexpr Row words[] = {
    {"$T", 2, "expected a verb: build, show, diff"},
    {"$T biuld", 2, "unknown verb biuld; the nearest is build\nTry: igvmtool --help"},
    {"$T frobnicate", 2, "unknown verb frobnicate\nTry: igvmtool --help"},
    {"$T --verison", 2, "unknown option --verison; the nearest is --version"},
    {"$T build", 2, "--out"},
    {"$T build --ouptut x", 2, "unknown option --ouptut; the nearest is --output\nTry: igvmtool build --help"},
    {"$T build --out", 2, "--out"},
    {"$T build --out x --out y", 2, "--out"},
    {"$T build --out x extra", 2, "unexpected argument extra\nTry: igvmtool build --help"},
    {"$T build --out x --platform sev-xp", 2, "--platform: found sev-xp"},
    {"$T build --out x --entry 16", 2, "--entry: found 16, expected 32, compat or 64"},
    {"$T build --out x --initrd initrd.img", 2, "--initrd requires --payload"},
    {"$T build --out x --cmdline quiet", 2, "requires --payload"},
    {"$T build --out x --payload flat.bin --payload-protocol multiboot", 2, "--payload-protocol: found multiboot"},
    {"$T build --out x --parameters madt", 2, "--parameters: found madt"},
    {"$T build --out x --platform native --policy 0x30000", 2, "--policy: only SNP takes"},
    {"$T build --out x --payload flat.bin --payload-address", 2, "--payload-address"},
    {"$T show", 2, "file is required"},
    {"$T show --jsn guest.igvm", 2, "unknown option --jsn; the nearest is --json\nTry: igvmtool show --help"},
    {"$T show guest.igvm more", 2, "unexpected argument more"},
    {"$T diff guest.igvm", 2, "right is required"},
    {"$T check guest.igvm", 2, "--vmm"},
    {"$T check guest.igvm --vmm qemu-99", 2, "--vmm: found qemu-99"},
    {"$T check guest.igvm --vmm qemu --kernel six", 2, "--kernel"},
    {"$T measure", 2, "an IGVM file, or --firmware, is required"},
    {"$T measure guest.igvm --firmware vars.fd", 2, "excludes"},
    {"$T measure guest.igvm --vmm bochs", 2, "--vmm: found bochs"},
    {"$T measure guest.igvm --platform native", 2, "--platform: found native, expected sev, sev-es or snp"},
    {"$T measure guest.igvm --tik vm_tik.bin", 2, "--tik requires"},
    {"$T measure guest.igvm --json --digest-only", 2, "excludes"},
    {"$T measure guest.igvm --base64", 2, "--base64 requires --digest-only"},
    {"$T measure guest.igvm --start-digest 00", 2, "--start-digest"},
    {"$T measure guest.igvm --initrd initrd.img", 2, "--kernel"},
    {"$T explain guest.igvm", 2, "--expected, or --report, is required"},
    {"$T explain guest.igvm --expected 1234", 2, "--expected: found 1234"},
    {"$T explain guest.igvm --expected 00 --report text", 2, "excludes"},
    {"$T explain guest.igvm --platform sev-es --report text", 2, "--report: attestation reports are SEV-SNP's"},
    {"$T sign guest.igvm", 2, ""},
    {"$T sign guest.igvm --id-key id.pem", 2, ""},
    {"$T sign guest.igvm --id-key id.pem --to-be-signed x", 2, "excludes"},
    {"$T sign guest.igvm --author-key author.pem --out x", 2, "--author-key requires --id-key"},
    {"$T sign --digest 00 --id-key id.pem", 2, "--digest: found 00"},
    {"$T verify", 2, ""},
    {"$T report", 2, "report is required"},
    {"$T report text --root text", 2, "--root requires --certs"},
    {"$T session --pdh text", 2, "--name is required"},
    {"$T secret guest.igvm --name vm --measurement 00 --api 1.55.16 --secret x", 2, "--measurement: found 00"},
    {"$S", 2, "expected a verb: run, certs, attack"},
    {"$S rum guest.igvm", 2, "unknown verb rum; the nearest is run\nTry: sevsim --help"},
    {"$S run", 2, "expected one guest"},
    {"$S run guest.igvm --firmware OVMF.fd", 2, "expected one guest"},
    {"$S run guest.igvm plain.igvm", 2, "unexpected argument plain.igvm"},
    {"$S run guest.igvm --tracee x", 2, "unknown option --tracee; the nearest is --trace\nTry: sevsim run --help"},
    {"$S run guest.igvm --platform tdx", 2, "--platform"},
    {"$S run guest.igvm --hostile no-such-lie", 2, "--hostile"},
    {"$S run guest.igvm --hostile nmi", 2, "--hostile"},
    {"$S run guest.igvm --from 0", 2, "--from: '0': expected a number from 1 on, or addresses BEGIN-END"},
    {"$S run guest.igvm --from 3 --platform native", 2, "a guest on native has no VMGEXIT"},
    {"$S run guest.igvm --from 3 --smp 2", 2, "--from is for a guest with one vCPU"},
    {"$S run guest.igvm --from 3 --hostile cbit-no-effect", 2, "cbit-no-effect is told while the guest is loaded"},
    {"$S run guest.igvm --from 3 --plans text", 2, "--from is for one run, not for --plans"},
    {"$S run guest.igvm --from 3 --snapshot folder", 2, "--snapshot requires --repeatable"},
    {"$S run guest.igvm --repeatable --snapshot folder", 2, "--snapshot requires --from"},
    {"$S run guest.igvm --repeatable --from 3 --snapshot folder --gdb", 2, "--gdb waits for a machine's start"},
    {"$S run guest.igvm --allow no-rule", 2, "no rule is called 'no-rule'"},
    {"$S run guest.igvm --append quiet", 2, "requires --kernel"},
    {"$S run guest.igvm --initrd initrd.img", 2, "--initrd requires --kernel"},
    {"$S run guest.igvm --vlek", 2, "is for --platform sev-snp"},
    {"$S run guest.igvm --platform snp --secure-tsc", 2, "an IGVM file says by itself what its SEV_FEATURES ask for"},
    {"$S run guest.igvm --platform native --smp 2", 2, "a guest on native has one"},
    {"$S run guest.igvm --platform native --profile", 2, "a guest on native takes none"},
    {"$S run --firmware vars.fd --platform native --smp 2", 2, "a guest on native has one"},
    {"$S run guest.igvm --expect perhaps", 2, "--expect: found perhaps, expected one of termination, exit"},
    {"$S run guest.igvm --expect exit", 2, "--expect: found exit, expected exit=N"},
    {"$S run guest.igvm --expect exit=-1", 2, "--expect: exit: found -1"},
    {"$S run guest.igvm --expect poweroff=1", 2, "--expect: found poweroff=1, expected poweroff alone"},
    {"$S run guest.igvm --expect termination=2", 2, "--expect: termination: found 2, expected SET:CODE"},
    {"$S run guest.igvm --expect termination=16:0", 2, "found 16, expected a number from 0 to 15"},
    {"$S run guest.igvm --expect violation=none", 2, "no rule is called none"},
    {"$S run guest.igvm --expect 'output=('", 2, "which is no regular expression"},
    {"$S certs", 2, "DIR is required"},
    {"$S attack", 2, "expected guests of one kind"},
    {"$S attack guest.igvm --firmware OVMF.fd", 2, "expected guests of one kind"},
    {"$S attack guest.igvm --from soon", 2, "--from: 'soon': expected a number from 1 on, or addresses BEGIN-END"},
    {"$S attack guest.igvm --from 3 --batch 5", 2, "excludes"},
    {"$S attack guest.igvm --kind no-such-lie", 2, "--kind: no lie is called 'no-such-lie'"},
    {"$S attack guest.igvm --kind nmi:7", 2, "--kind: 'nmi:7': expected a lie's name"},
    {"$S attack guest.igvm --budget soon", 2, "--budget: 'soon': expected a time: 120s"},
    {"$S attack guest.igvm --shard 9/8", 2, "--shard: '9/8': expected I/N"},
    {"$S attack guest.igvm --runs 0", 2, "--runs: found 0"},
    {"$S attack guest.igvm --seed -1", 2, "--seed: found -1"},
    {"$S attack guest.igvm --lies 17", 2, "--lies: found 17"},
    {"$S attack guest.igvm --compare '('", 2, "expected an extended regular expression"},
    {"$S attack guest.igvm --platform native", 2, "--platform"},
    {"$S attack guest.igvm --plans missing", 2, "--plans: "},
    {"$S attack guest.igvm --plans text --kind nmi", 2, "excludes"},
    {"$S attack guest.igvm --seeds 1", 2, "unknown option --seeds; the nearest is --seed\nTry: sevsim attack --help"},
    {"$S attack missing.igvm", 1, "missing.igvm: No such file"},
    {"$S attack merge", 2, "FILE is required"},
    {"$S attack merge text", 1, "text: line 1: expected vestibule.attack/1"},
    {"$L", 2, "expected a GUEST"},
    {"$L --dry-run", 2, "expected a GUEST"},
    {"$L guest.igvm --dryrun", 2, "unknown option --dryrun; the nearest is --dry-run\nTry: sevlaunch --help"},
    {"$L guest.igvm --platform tdx", 2, "--platform"},
    {"$L guest.igvm more", 2, "unexpected argument more"},
    {"$L probe", 2, "--session: required for sev-es"},
    {"$L probe --platform snp --session vm", 2, "--session: is SEV-ES's"},
    {"$L probe --sesion vm", 2, "unknown option --sesion; the nearest is --session\nTry: sevlaunch probe --help"},
};

/// Files that are not what they should be: the work fails, and the message begins with the name.
constexpr Row files_that_are_wrong[] = {
    {"$T show missing", 1, "missing: cannot open: No such file or directory"},
    {"$T show folder", 1, "folder: not a regular file, nor a pipe"},
    {"$T show text", 1, "text: not an IGVM file"},
    {"$T show empty", 1, "empty: not an IGVM file"},
    {"$T show vmlinuz", 1, "vmlinuz: not an IGVM file"},
    {"$T show cut.igvm", 1, "cut.igvm: offset"},
    {"$T build --out x --payload flat.bin --payload-address 0x1234", 1, "flat.bin: offset 0x0: found 0x1234, expected a page-aligned address"},
    {"$T check text --vmm qemu", 1, "text: not an IGVM file"},
    {"$T measure text", 1, "text: not an IGVM file"},
    {"$T measure plain.igvm", 1, "plain.igvm: found native"},
    {"$T measure two.igvm --platform snp", 1, "two.igvm: found"},
    {"$T measure --firmware text", 1, "text: "},
    {"$T sign guest.igvm --id-key text --out x", 1, "text: "},
    {"$T sign guest.igvm --id-key missing --out x", 1, "missing: cannot open"},
    {"$T sign guest.igvm --id-key locked.pem --out x", 1, "locked.pem: found an encrypted key"},
    {"$T sign text --id-key id.pem --out x", 1, "text: not an IGVM file"},
    {"$T sign guest.igvm --id-key id.pem --out folder", 1, "folder: not a regular file"},
    {"$T build --out folder", 1, "folder: not a regular file"},
    {"$T build --out missing/x", 1, "missing/x: cannot create: No such file or directory"},
    {"$T build --out x --payload missing", 1, "missing: cannot open"},
    {"$T build --out x --payload empty", 1, "empty: "},
    {"$T build --out x --payload flat.bin --payload-address 0x1000000 --initrd empty", 1, "empty: found 0 bytes, expected an initrd"},
    {"$T build --out x --stub text", 1, "text: "},
    {"$T show guest.igvm --svg missing/x", 1, "missing/x: cannot create"},
    {"$T verify guest.igvm", 1, ""},
    {"$T report text", 1, "text: offset 0x0: found 0x6, expected an attestation report"},
    {"$T explain guest.igvm --report text", 1, "text: offset 0x0"},
    {"$T session --pdh text --name new", 1, "text: offset 0x0: found 0x6 bytes"},
    {"$S run missing", 1, "missing: "},
    {"$S run folder", 1, "folder: not a regular file"},
    {"$S run text", 1, "text: not an IGVM file: expected the bytes 'IGVM' at offset 0"},
    {"$S run empty", 1, "empty: "},
    {"$S run vmlinuz", 1, "this is a Linux kernel: try --kernel"},
    {"$S run vars.fd", 1, "this is a firmware volume: try --firmware"},
    {"$S run cut.igvm", 1, "cut.igvm: offset"},
    {"$S run plain.igvm", 1, "plain.igvm: found platforms native, expected sev-es among them (see --platform)"},
    {"$S run two.igvm --platform snp", 1, "two.igvm: found platforms sev-es, expected sev-snp"},
    {"$S run two.igvm --cbit 51", 1, "two.igvm: its page tables have the C-bit at 47, so --cbit 51 contradicts it"},
    {"$S run guest.igvm --cbit 47", 1, "guest.igvm: its page tables have the C-bit at 51, so --cbit 47"},
    {"$S run two.igvm --smp 1", 1, "two.igvm: it starts 2 vCPUs, so --smp 1 contradicts it"},
    {"$S run guest.igvm --vcpus 4", 1, "guest.igvm: it starts 1 vCPU, so --smp 4 contradicts it"},
    {"$S run two.igvm --profile", 1, "two.igvm: it starts 2 vCPUs, and --profile counts"},
    {"$S run --kernel text", 1, "text: not a Linux kernel"},
    {"$S run --kernel guest.igvm", 1, "guest.igvm: not a Linux kernel"},
    {"$S run --firmware text", 1, "text: "},
    {"$S run guest.igvm --qemu missing", 1, "missing"},
    {"$S run guest.igvm --trace missing/x", 1, "missing/x: No such file or directory"},
    {"$S run guest.igvm --platform snp --root folder", 1, "folder/ark.pem"},
    {"$L missing --dry-run", 1, "missing: cannot open"},
    {"$L text --dry-run", 1, "text: not an IGVM file"},
    {"$L cut.igvm --dry-run", 1, "cut.igvm: offset"},
    {"$L plain.igvm --platform snp --dry-run", 1, "found native, expected sev-snp among the file's platforms"},
    {"$L guest.igvm --append quiet --dry-run", 1, "guest.igvm: has no place for a command line"},
    {"$L guest.igvm --platform sev-es --session none --dry-run", 1, "none_godh.b64: cannot open"},
    {"$L guest.igvm --expect-digest abcd --dry-run", 1, "--expect-digest: found abcd"},
};
// clang-format on
} // namespace

TEST_F(WrongInputs, OutputsAreNoInputs) { check(lost_files); }

TEST_F(WrongInputs, StandardStreams) { check(standard_streams); }

TEST_F(WrongInputs, Numbers) { check(numbers); }

TEST_F(WrongInputs, Words) { check(words); }

TEST_F(WrongInputs, Files) { check(files_that_are_wrong); }

/// What is right stays right: in place, through links, to devices and standard output.
TEST_F(WrongInputs, AndTheseAreRight) {
    EXPECT_EQ(shell("cp guest.igvm own.igvm && $T sign own.igvm --id-key id.pem --out own.igvm && "
                    "$T verify own.igvm")
                  .status,
              0)
        << read("errors");
    EXPECT_EQ(shell("ln -s own.igvm to-own && $T sign to-own --id-key id.pem --out own.igvm && "
                    "$T verify to-own && test -h to-own")
                  .status,
              0)
        << read("errors");
    const auto picture = shell("$T show guest.igvm --svg -");
    EXPECT_EQ(picture.status, 0) << picture.errors;
    EXPECT_TRUE(picture.out.starts_with("<svg") || picture.out.starts_with("<?xml"))
        << picture.out.substr(0, 40);
    const auto block = shell("$T sign guest.igvm --id-public-key id.pub --to-be-signed - | wc -c");
    EXPECT_EQ(block.out, "96\n") << block.errors;
    EXPECT_EQ(shell("$T measure - < guest.igvm > one && $T measure guest.igvm > two; "
                    "tail -n 1 one | cmp - two > /dev/null; rm one two")
                  .status,
              0);
    EXPECT_EQ(shell("$T build -o y --smp 2 --platform sev-es && $T build --output z --vcpus 2 "
                    "--platform sev-es && cmp y z && rm y z")
                  .status,
              0)
        << read("errors");
    EXPECT_EQ(shell("$L guest.igvm --platform sev-snp --dry-run --trace /dev/null --serial "
                    "/dev/null --timeout 0 --smp 1")
                  .status,
              0)
        << read("errors");
    EXPECT_EQ(shell("rm -f own.igvm to-own").status, 0);
}

static_assert(std::size(lost_files) + std::size(standard_streams) + std::size(numbers)
                  + std::size(words) + std::size(files_that_are_wrong)
              >= 150);

} // namespace vestibule::igvm::test
