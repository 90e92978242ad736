"""What the engine uses of yyjson (MIT), whose two files lie in `_vendor/yyjson`."""

from libc.stdint cimport int64_t, uint64_t, uint8_t

cdef extern from "yyjson.h" nogil:
    ctypedef struct yyjson_doc:
        pass
    ctypedef struct yyjson_val:
        pass
    ctypedef struct yyjson_alc:
        pass
    ctypedef struct yyjson_read_err:
        pass
    ctypedef struct yyjson_obj_iter:
        pass
    ctypedef struct yyjson_arr_iter:
        pass

    uint8_t YYJSON_TYPE_NULL, YYJSON_TYPE_BOOL, YYJSON_TYPE_NUM, YYJSON_TYPE_STR, YYJSON_TYPE_OBJ
    uint8_t YYJSON_SUBTYPE_SINT, YYJSON_SUBTYPE_REAL, YYJSON_SUBTYPE_TRUE

    bint yyjson_alc_pool_init(yyjson_alc *alc, void *buf, size_t size)
    size_t yyjson_read_max_memory_usage(size_t len, uint64_t flg)
    yyjson_doc *yyjson_read_opts(
        char *dat, size_t len, uint64_t flg, const yyjson_alc *alc, yyjson_read_err *err
    )
    void yyjson_doc_free(yyjson_doc *doc)
    yyjson_val *yyjson_doc_get_root(yyjson_doc *doc)
    size_t yyjson_doc_get_val_count(yyjson_doc *doc)

    uint8_t yyjson_get_type(yyjson_val *val)
    uint8_t yyjson_get_subtype(yyjson_val *val)
    uint64_t yyjson_get_uint(yyjson_val *val)
    int64_t yyjson_get_sint(yyjson_val *val)
    double yyjson_get_real(yyjson_val *val)
    const char *yyjson_get_str(yyjson_val *val)
    size_t yyjson_get_len(yyjson_val *val)

    bint yyjson_obj_iter_init(yyjson_val *obj, yyjson_obj_iter *iter)
    yyjson_val *yyjson_obj_iter_next(yyjson_obj_iter *iter)
    yyjson_val *yyjson_obj_iter_get_val(yyjson_val *key)
    size_t yyjson_obj_size(yyjson_val *obj)

    size_t yyjson_arr_size(yyjson_val *arr)
    bint yyjson_arr_iter_init(yyjson_val *arr, yyjson_arr_iter *iter)
    yyjson_val *yyjson_arr_iter_next(yyjson_arr_iter *iter)
