// SPDX-License-Identifier: BSD-2-Clause-Patent
// One language: the same word does the same in igvmtool, sevsim and sevlaunch. A row is a word in
// two forms that have to come to the same; what comes out is compared, not what --help says.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vestibule::cli::test {

namespace {
namespace fs = std::filesystem;

struct Outcome {
    int status;
    std::string out;
    std::string errors;
};

class OneLanguage : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        std::string name = testing::TempDir() + "words.XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory = name;
        // $Q is no QEMU that runs anything: it says what sevsim would have it do.
        ASSERT_EQ(shell(R"(
$T build --out all.igvm --cbit 47 --platform native,sev-es,sev-snp >/dev/null &&
$T build --out two.igvm --cbit 47 --platform native,sev-es,sev-snp --vcpus 2 >/dev/null &&
openssl ecparam -name secp384r1 -genkey -noout -out id.pem 2>/dev/null &&
head -c 5000 /dev/zero | tr '\0' '\364' >flat.bin &&
{ head -c 514 /dev/zero; printf 'HdrS\017\002'; head -c 9 /dev/zero; printf '\001'; head -c 4000 /dev/zero; } >vmlinuz &&
cat >qemu <<'END'
#!/bin/sh
[ "$1" != --version ] || { echo 'QEMU emulator version 7.2.22'; exit; }
for word; do
    case $word in file,id=records,path=*) records=${word#*path=};; esac
    [ "$before" != -append ] || echo "$word"
    [ "$before" != -initrd ] || { IFS=,; for file in $word; do
        tr '\0' '\n' <$file | sed -n 's/^\(quiet.*\)/line \1/p'; done; }
    before=$word
done
echo '{"record":"outcome","kind":"exit","value":0}' >$records
END
chmod +x qemu)")
                      .status,
                  0)
            << shell("true").errors;
    }

    static void TearDownTestSuite() { fs::remove_all(directory); }

    static std::string read(const std::string& name) {
        std::ifstream file(directory / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    static Outcome shell(const std::string& line) {
        const std::string whole = "cd " + directory.string()
                                  + " && { export ASAN_OPTIONS=detect_leaks=0 SEVSIM_QEMU=./qemu; "
                                    "T=" IGVMTOOL "; S=" SEVSIM "; L=" SEVLAUNCH "; "
                                  + line + "\n} </dev/null >.out 2>.errors";
        // NOLINTNEXTLINE(bugprone-command-processor, cert-env33-c): a shell is what users have
        const int status = std::system(whole.c_str());
        return {.status = WEXITSTATUS(status), .out = read(".out"), .errors = read(".errors")};
    }

    static inline fs::path directory;
};

/// Two lines that have to say the same, with the same status; `said` has to be in it, so that they
/// do not agree on nothing at all.
struct Pair {
    const char* one;
    const char* other;
    const char* said;
};

// clang-format off
constexpr Pair pairs[] = {
    // Platforms
    {"$T build --out - --platform sev-snp", "$T build --out - --platform snp", "expected the name of a file"},
    {"$T build --out x --platform sev-snp,native", "$T build --out x --platform snp,native", "sev-snp"},
    {"$T measure all.igvm --platform sev-snp", "$T measure all.igvm --platform snp", "platform  sev-snp"},
    {"$T explain all.igvm --depth 1 --platform sev-snp --expected 00", "$T explain all.igvm --depth 1 --platform snp --expected 00", "96 hexadecimal digits for sev-snp"},
    {"$S run all.igvm --platform sev-snp", "$S run all.igvm --platform snp", "platform=sev-snp"},
    {"$L all.igvm --dry-run --platform sev-snp 2>&1", "$L all.igvm --dry-run --platform snp 2>&1", "platform: sev-snp"},
    // vCPUs
    {"$T build --out x --vcpus 2", "$T build --out x --smp 2", "x: "},
    {"$T measure all.igvm --vmm kvm-7.1 --vcpus 3", "$T measure all.igvm --vmm kvm-7.1 --smp 3", "vCPUs     3"},
    {"$S run two.igvm --vcpus 2", "$S run two.igvm --smp 2", " smp=2"},
    {"$L all.igvm --dry-run --vcpus 2", "$L all.igvm --dry-run --smp 2", "KVM_CREATE_VCPU(0x1)"},
    // Command lines
    {"$T build --out x --payload flat.bin --payload-address 0x1000000 --cmdline quiet", "$T build --out x --payload flat.bin --payload-address 0x1000000 --append quiet", "x: "},
    {"$S run --kernel vmlinuz --append quiet", "$S run --kernel vmlinuz --cmdline quiet", "line quiet"},
    {"$L all.igvm --dry-run --append quiet 2>&1", "$L all.igvm --dry-run --cmdline quiet 2>&1", "no place for a command line"},
    {"$T explain all.igvm --depth 1 --append a --or-append b --expected 00", "$T explain all.igvm --depth 1 --cmdline a --or-cmdline b --expected 00", "--expected"},
    // Outputs
    {"$T build -o x", "$T build --out x", "x: "},
    {"$T build --output x", "$T build --out x", "x: "},
    {"$T build -o all.igvm --stub all.igvm", "$T build --output all.igvm --stub all.igvm", "is the same file as"},
    // Sizes
    {"$T build --out x --payload flat.bin --payload-address 0x1000000 --memory 512M", "$T build --out x --payload flat.bin --payload-address 0x1000000 --memory 0x20000000", "x: "},
    {"$T build --out x --payload flat.bin --payload-address 0x1000000 --memory 1G", "$T build --out x --payload flat.bin --payload-address 0x1000000 --memory 1024MiB", "x: "},
    {"$S run all.igvm --memory 65536K", "$S run all.igvm --memory 64MiB", "memory=67108864"},
    {"$S run all.igvm --memory 1G", "$S run all.igvm --memory 1048576KiB", "memory=1073741824"},
    {"$L all.igvm --dry-run --memory 1G", "$L all.igvm --dry-run --memory 1GiB", "KVM_SET_USER_MEMORY_REGION"},
    {"$S run all.igvm --memory 64MB 2>&1", "$S run all.igvm --memory=64MB 2>&1", "--memory: found 64MB, expected a size"},
    {"$L all.igvm --memory 64MB 2>&1", "$L all.igvm --memory=64MB 2>&1", "--memory: found 64MB, expected a size"},
    {"$T build --out x --memory 64MB 2>&1", "$T build --out x --memory=64MB 2>&1", "--memory: found 64MB, expected a size"},
    // Never
    {"$S run all.igvm --timeout 0", "$S run all.igvm --timeout 86400", "platform="},
    {"$L all.igvm --dry-run --timeout 0", "$L all.igvm --dry-run", "KVM_CREATE_VM"},
    {"$S run all.igvm --timeout -1 2>&1", "$S run all.igvm --timeout=-1 2>&1", "--timeout"},
    // Quiet
    {"$T build -q --out x; echo done", "$T build --quiet --out x; echo done", "done\n"},
    {"$S run all.igvm -q", "$S run all.igvm --quiet", "platform="},
    {"$L all.igvm --dry-run -q", "$L all.igvm --dry-run --quiet", "KVM_CREATE_VM"},
};
// clang-format on
} // namespace

TEST_F(OneLanguage, TheSameWordsInAll) {
    for (const Pair& pair : pairs) {
        const auto one   = shell(pair.one);
        const auto other = shell(pair.other);
        EXPECT_EQ(one.status, other.status) << pair.one << "\n" << one.errors << other.errors;
        EXPECT_EQ(one.out, other.out) << pair.one;
        EXPECT_NE((one.out + one.errors).find(pair.said), std::string::npos)
            << pair.one << "\n"
            << one.out << one.errors;
        EXPECT_NE((other.out + other.errors).find(pair.said), std::string::npos)
            << pair.other << "\n"
            << other.out << other.errors;
    }
}

/// --quiet: the exit status says it, and errors are said all the same.
TEST_F(OneLanguage, QuietSaysNothing) {
    for (const char* line :
         {"$T build -q --out x", "$T check all.igvm -q --vmm qemu", "$T diff -q all.igvm two.igvm",
          "$T sign all.igvm -q --id-key id.pem --out s.igvm", "$T verify s.igvm -q"}) {
        const auto outcome = shell(line);
        EXPECT_EQ(outcome.out, "") << line;
        EXPECT_EQ(outcome.errors, "") << line;
    }
    EXPECT_EQ(shell("$T diff -q all.igvm two.igvm").status, 1);
    EXPECT_EQ(shell("$T verify s.igvm -q").status, 0);
    const auto guest = shell("$S run all.igvm -q");
    EXPECT_EQ(guest.status, 0) << guest.errors;
    EXPECT_EQ(guest.out.find("Outcome"), std::string::npos) << guest.out;
    EXPECT_NE(shell("$S run all.igvm").out.find("Outcome: "), std::string::npos);
    EXPECT_EQ(shell("$L all.igvm --dry-run -q").errors, "");
    EXPECT_NE(shell("$L all.igvm --dry-run").errors, "");
    for (const char* line : {"$T build -q --out no/x", "$S run none -q", "$L none -q --dry-run"}) {
        const auto outcome = shell(line);
        EXPECT_EQ(outcome.status, 1) << line;
        EXPECT_NE(outcome.errors, "") << line;
    }
    // What an option writes there is no talk.
    EXPECT_EQ(shell("openssl pkey -in id.pem -pubout -out id.pub 2>/dev/null; $T sign all.igvm -q "
                    "--id-public-key id.pub --to-be-signed - | wc -c")
                  .out,
              "96\n");
}

/// There are no colours: neither NO_COLOR nor a terminal makes a difference.
TEST_F(OneLanguage, NoColours) {
    for (const char* line :
         {"$T show all.igvm", "$T --help", "$S run all.igvm", "$S run --help", "$L --help"}) {
        const std::string command = line;
        const auto on_terminal =
            shell("export T S L; script -qefc '" + command + "' /dev/null | tr -d '\\r'");
        const auto without = shell("export NO_COLOR=1; " + command);
        EXPECT_EQ(on_terminal.out.find('\033'), std::string::npos) << line;
        EXPECT_NE(on_terminal.out, "") << line << on_terminal.errors;
        EXPECT_EQ(without.out.find('\033'), std::string::npos) << line;
    }
}

/// --json: one object that says which it is.
TEST_F(OneLanguage, JsonSaysWhichItIs) {
    for (const char* line :
         {"$T show all.igvm --json", "$T diff all.igvm two.igvm --json",
          "$T check all.igvm --vmm qemu --json", "$T measure all.igvm --json",
          "$T explain all.igvm --depth 1 --json --expected $(printf %096d 0)",
          "$T sign all.igvm --id-key id.pem --out s.igvm --json", "$T verify s.igvm --json",
          "$L all.igvm --dry-run --json", "$S run all.igvm -q --json r.json >/dev/null; cat r.json",
          "$T build -q --out x --manifest m.json; cat m.json"}) {
        const auto outcome = shell(line);
        EXPECT_TRUE(outcome.out.starts_with("{\n  \"schema\": \"vestibule."))
            << line << outcome.out.substr(0, 100) << outcome.errors;
    }
}

} // namespace vestibule::cli::test
