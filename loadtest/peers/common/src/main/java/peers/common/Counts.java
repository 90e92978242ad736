package peers.common;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.Arrays;

/**
 * How often something happened in a window, by key: one long for each slice and key, slice in the upper half, then the
 * key in a byte, then the count. A window has 60 slices and the one that has begun, as a worker's has.
 */
final class Counts {
    static final int SLICES = 60;

    private static final int ENTRY = 4;
    private static final long[] EMPTY = {};
    private static final int COUNT_BITS = 24;

    private long[] entries = EMPTY;
    private int size;

    Counts copy() {
        Counts same = new Counts();
        same.entries = size == 0 ? EMPTY : Arrays.copyOf(entries, size);
        same.size = size;
        return same;
    }

    /** Count one more; gives the key's count in the window that ends with `slice`. */
    int add(int slice, int key) {
        forget(slice - SLICES);
        long wanted = (long) slice << 32 | (long) key << COUNT_BITS;
        int place = size;
        while (place > 0 && entries[place - 1] >= wanted) {
            place--;
        }
        if (place < size && entries[place] >>> COUNT_BITS == wanted >>> COUNT_BITS) {
            entries[place]++;
        } else {
            if (size == entries.length) {
                entries = Arrays.copyOf(entries, size + ENTRY);
            }
            System.arraycopy(entries, place, entries, place + 1, size - place);
            entries[place] = wanted + 1;
            size++;
        }
        return count(slice, key);
    }

    int count(int slice, int key) {
        int total = 0;
        for (int i = size - 1; i >= 0; i--) {
            int of = slice(i);
            if (of < slice - SLICES) {
                break;
            }
            if (key(i) == key && of <= slice) {
                total += (int) (entries[i] & ((1 << COUNT_BITS) - 1));
            }
        }
        return total;
    }

    int size() {
        return size;
    }

    int slice(int i) {
        return (int) (entries[i] >>> 32);
    }

    int key(int i) {
        return (int) (entries[i] >>> COUNT_BITS) & 0xFF;
    }

    private void forget(int oldest) {
        int gone = 0;
        while (gone < size && slice(gone) < oldest) {
            gone++;
        }
        if (gone > 0) {
            System.arraycopy(entries, gone, entries, 0, size - gone);
            size -= gone;
        }
    }

    void write(DataOutput out) throws IOException {
        out.writeShort(size);
        for (int i = 0; i < size; i++) {
            out.writeLong(entries[i]);
        }
    }

    void read(DataInput in) throws IOException {
        size = in.readUnsignedShort();
        entries = size == 0 ? EMPTY : new long[size];
        for (int i = 0; i < size; i++) {
            entries[i] = in.readLong();
        }
    }
}
