// SPDX-License-Identifier: BSD-2-Clause-Patent
// A campaign of damaged files: valid ones, changed in one to eight places the way files get damaged
// and attackers damage them, then read, listed, drawn, checked, copied and compared. No crash, no
// hang, no unbounded memory, and a message with an offset for every file that is refused.
//
// 20,000 files, or as many as VESTIBULE_IGVM_MUTATIONS says (the long form is 1000000: some
// minutes); VESTIBULE_IGVM_SEED chooses others than those of seed 1. A crash names its file's
// number, and the same seed makes the same files. VESTIBULE_IGVM_CORPUS=DIRECTORY writes the
// undamaged files there.
#include "tests/igvm/seed_files.h"

#include "tests/fuzz/igvm_exercise.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>

#include <sys/resource.h>

namespace vestibule::igvm::test {

namespace {
u64 from_environment(const char* name, u64 otherwise) {
    const char* text = std::getenv(name); // NOLINT(concurrency-mt-unsafe): one thread
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

class Mutator {
  public:
    explicit Mutator(u64 seed) : random_(seed) {}

    Bytes damaged(const Bytes& whole, const Bytes& other) {
        Bytes file        = whole;
        const u64 changes = 1 + below(1 + below(8)); // few more often than many
        for (u64 i = 0; i < changes; ++i) {
            change(file, other);
        }
        if (below(16) != 0) {
            seal(file);
        }
        return file;
    }

    u64 below(u64 end) { return end == 0 ? 0 : random_() % end; }

  private:
    /// Three in four places are among the headers.
    u64 place(const Bytes& file) {
        if (below(4) == 0 || file.size() < sizeof(FixedHeader)) {
            return below(file.size());
        }
        const auto header = load<FixedHeader>(file);
        const u64 end     = std::min<u64>(file.size(), u64{header.variable_header_offset}
                                                           + header.variable_header_size);
        return below(end);
    }

    template <class T>
    void put(Bytes& file, u64 at, T value) {
        if (file.size() >= sizeof(T)) {
            store(file, std::min(at, file.size() - sizeof(T)), value);
        }
    }

    /// Values at which comparisons turn and sums overflow.
    u64 interesting(const Bytes& file) {
        const u64 values[] = {0,
                              1,
                              2,
                              7,
                              8,
                              20,
                              24,
                              0xFFF,
                              0x1000,
                              0x1001,
                              0x7FFF'FFFF,
                              0x8000'0000,
                              0xFFFF'FFFF,
                              0xFFFF'F000,
                              ~u64{0},
                              ~u64{0xFFF},
                              file.size(),
                              file.size() - 1,
                              file.size() - page_size};
        return values[below(std::size(values))];
    }

    void change(Bytes& file, const Bytes& other) {
        if (file.empty()) {
            file.push_back(static_cast<u8>(random_()));
            return;
        }
        const u64 at        = place(file);
        const auto iterator = [](Bytes& bytes, u64 offset) {
            return bytes.begin() + static_cast<std::ptrdiff_t>(offset);
        };
        const u64 length = std::min(1 + below(64), file.size() - at);
        switch (below(11)) {
        case 0: file[at] ^= static_cast<u8>(1u << below(8)); break;
        case 1: file[at] = static_cast<u8>(random_()); break;
        case 2: put(file, at & ~u64{3}, static_cast<u32>(interesting(file))); break;
        case 3: put(file, at & ~u64{7}, interesting(file)); break;
        case 4: put(file, at & ~u64{1}, static_cast<u16>(interesting(file))); break;
        case 5: file.resize(at); break;
        case 6: file.erase(iterator(file, at), iterator(file, at + length)); break;
        case 7: { // a stretch twice, most often a whole header
            const u64 start = at & ~u64{7};
            const u64 size  = std::min<u64>(32, file.size() - start);
            const Bytes copy(iterator(file, start), iterator(file, start + size));
            file.insert(iterator(file, below(file.size()) & ~u64{7}), copy.begin(), copy.end());
            break;
        }
        case 8: // a stretch of another file
            for (u64 i = 0; i < length && at + i < other.size(); ++i) {
                file[at + i] = other[at + i];
            }
            break;
        case 9: file.insert(iterator(file, at), 8 * below(8), static_cast<u8>(random_())); break;
        default: // the headers end elsewhere
            put(file, offsetof(FixedHeader, variable_header_size), static_cast<u32>(at & ~u64{7}));
        }
    }

    std::mt19937_64 random_;
};
} // namespace

TEST(IgvmMutation, NothingBreaksTheLibrary) {
    const u64 count              = from_environment("VESTIBULE_IGVM_MUTATIONS", 20'000);
    const u64 seed               = from_environment("VESTIBULE_IGVM_SEED", 1);
    const std::vector<Bytes> all = seed_files();
    u64 accepted                 = 0;
    std::chrono::duration<double> longest{};
    for (u64 i = 0; i < count; ++i) {
        Mutator mutator(seed * 1'000'003 + i);
        const Bytes& whole = all[mutator.below(all.size())];
        const Bytes file   = mutator.damaged(whole, all[mutator.below(all.size())]);
        // In a block of exactly its size: one byte too far is seen.
        const std::vector<u8> exact(file.begin(), file.end());
        const auto start = std::chrono::steady_clock::now();
        SCOPED_TRACE(i);
        accepted += exercise(exact, static_cast<unsigned>(i)) ? 1 : 0;
        longest = std::max<std::chrono::duration<double>>(longest,
                                                          std::chrono::steady_clock::now() - start);
    }
    EXPECT_LT(longest.count(), 5.0) << "seconds for one file";
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    EXPECT_LT(usage.ru_maxrss, 1 << 20) << "KiB, AddressSanitizer's own included";
    // Most must be refused, or it was no damage; some accepted, or only the reader was tested.
    EXPECT_GT(accepted, count / 50);
    EXPECT_LT(accepted, count * 9 / 10);
    RecordProperty("accepted", static_cast<int>(accepted));
    std::printf("%llu files, %llu accepted, longest %.0f ms, %ld MiB\n",
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(accepted),
                longest.count() * 1000, usage.ru_maxrss / 1024);
}

/// For whoever extends the corpus of the fuzz target.
TEST(IgvmMutation, SeedsAreValid) {
    const char* directory = std::getenv("VESTIBULE_IGVM_CORPUS"); // NOLINT(concurrency-mt-unsafe)
    unsigned number       = 0;
    for (const Bytes& file : seed_files()) {
        EXPECT_TRUE(exercise(file, number));
        if (directory != nullptr) {
            std::ofstream out(std::string(directory) + "/seed" + std::to_string(number),
                              std::ios::binary);
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
            out.write(reinterpret_cast<const char*>(file.data()),
                      static_cast<std::streamsize>(file.size()));
        }
        ++number;
    }
}

} // namespace vestibule::igvm::test
